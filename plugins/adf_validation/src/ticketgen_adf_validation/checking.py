"""Says where an ADF document breaks the grammar of the format, and what to do about it.

The walk follows `grammar`, which mirrors Atlassian's schema. Every problem is reported, not only
the first. What Jira refuses beyond the grammar is the business of `AdfCheck` values: `judging`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ticketgen import Finding, Severity
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.grammar import NODES
from ticketgen_adf_validation.marks import MARKS
from ticketgen_adf_validation.node_rules import Children, MarkSets, NodeRule
from ticketgen_adf_validation.values import Attributes

__all__ = ["GRAMMAR", "check_grammar"]

_LONGEST_VALUE = 120
_REWRITE = "Write this part of the description anew in plain Markdown and validate again."


def check_grammar(document: object) -> tuple[Finding, ...]:
    """Promise every place where a document breaks the grammar; none means it is valid ADF.

    `document` is parsed JSON of any shape. Paths are JSON pointers.
    """
    if not isinstance(document, dict):
        message = "The document is not a JSON object."
        remedy = "Convert the description again; an ADF document is an object of type “doc”."
        return (_finding("not_an_object", "", message, remedy, document),)
    walk = _Walk()
    walk.check_root(document)
    walk.run()
    return tuple(walk.findings)


def _finding(rule: str, path: str, message: str, remedy: str, value: object = None) -> Finding:
    shown = None if value is None else _shown(value)
    return Finding(
        severity=Severity.ERROR,
        rule=f"adf_validation.{rule}",
        message=message,
        remedy=remedy,
        path=path,
        value=shown,
    )


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        # Written out, a hostile value nested thousands deep would break the writer.
        return "an object" if isinstance(value, dict) else "a list"
    written = value if isinstance(value, str) else json.dumps(value)
    return written if len(written) <= _LONGEST_VALUE else written[: _LONGEST_VALUE - 1] + "…"


def _pointer(path: str, step: str | int) -> str:
    return f"{path}/{str(step).replace('~', '~0').replace('/', '~1')}"


@dataclass(kw_only=True)
class _Walk:
    """One walk over one document; nodes wait on a stack, so depth is no danger."""

    findings: list[Finding] = field(default_factory=list)
    waiting: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    def report(self, rule: str, path: str, message: str, remedy: str, value: object = None) -> None:
        self.findings.append(_finding(rule, path, message, remedy, value))

    def run(self) -> None:
        while self.waiting:
            node, path = self.waiting.pop()
            self.check_node(node, path)

    def check_root(self, document: dict[str, Any]) -> None:
        if document.get("type") != "doc":
            message = "The document is not of type “doc”."
            self.report("root", "/type", message, _REWRITE, document.get("type"))
            return
        version = document.get("version")
        if isinstance(version, bool) or version != 1:
            message = "The version of the document is not 1."
            self.report("version", "/version", message, "Set “version” to 1.", version)
        if "marks" in document:
            message = "A document wears no marks."
            self.report("property", "/marks", message, "Remove “marks”.", document["marks"])
        self.waiting.append((document, ""))

    def check_node(self, node: dict[str, Any], path: str) -> None:
        kind = node["type"]
        rule = NODES[kind]
        self.check_properties(node, rule, path)
        self.check_attributes(node, rule, path)
        if kind == "text":
            self.check_text(node, path)
        if rule.children is not None or rule.positions:
            self.check_content(node, rule, path)

    def check_properties(self, node: dict[str, Any], rule: NodeRule, path: str) -> None:
        """Names only; the marks a node may wear are its parent's business."""
        if rule.free_properties:
            return
        legal = {"type", *rule.extra_properties}
        legal |= {"attrs"} if rule.attributes else set()
        legal |= {"content"} if rule.children is not None or rule.positions else set()
        for name in node:
            if name not in legal and name != "marks":
                message = f"A “{node['type']}” has no property “{name}”."
                remedy = f"Remove the property “{name}”."
                self.report("property", _pointer(path, name), message, remedy, node[name])

    def check_text(self, node: dict[str, Any], path: str) -> None:
        text = node.get("text")
        if not isinstance(text, str) or not text:
            message = "A text node holds no text."
            self.report("text", path + "/text", message, "Remove the empty text node.", text)

    def check_attributes(self, node: dict[str, Any], rule: NodeRule, path: str) -> None:
        if not rule.attributes:
            return
        if "attrs" not in node:
            if rule.attributes_required:
                names = ", ".join(sorted(rule.attributes[0].required)) or "none needed"
                message = f"A “{node['type']}” needs attributes ({names})."
                self.report("attribute", path, message, "Add “attrs” with these attributes.")
            return
        self.check_shapes(node["attrs"], rule.attributes, path + "/attrs", node["type"])

    def check_shapes(
        self, attrs: object, shapes: tuple[Attributes, ...], path: str, owner: str
    ) -> None:
        """Report what separates the attributes from the shape they come closest to."""
        if not isinstance(attrs, dict):
            message = f"The attributes of “{owner}” are not an object."
            self.report("attribute", path, message, "Make “attrs” an object.", attrs)
            return
        attempts = [list(_attribute_problems(attrs, shape)) for shape in shapes]
        for name, problem in min(attempts, key=len):
            message = f"The attribute “{name}” of “{owner}” {problem}."
            remedy = f"Correct or remove the attribute “{name}”."
            self.report("attribute", _pointer(path, name), message, remedy, attrs.get(name))

    def check_content(self, node: dict[str, Any], rule: NodeRule, path: str) -> None:
        kind = node["type"]
        if "content" not in node:
            if rule.content_required:
                message = f"A “{kind}” needs content."
                self.report("content", path, message, "Add “content” or remove the node.")
            return
        content = node["content"]
        if not isinstance(content, list):
            message = f"The content of “{kind}” is not a list."
            self.report("content", path + "/content", message, "Make it a list.", content)
            return
        self.check_count(kind, len(content), rule, path)
        accepted = list(self.accepted_children(kind, content, rule, path))
        self.waiting.extend(reversed(accepted))

    def check_count(self, kind: str, count: int, rule: NodeRule, path: str) -> None:
        most = rule.most
        if rule.positions:
            most = len(rule.positions)
        if count < rule.fewest:
            message = f"A “{kind}” holds {count} nodes; it needs at least {rule.fewest}."
            self.report("content", path + "/content", message, "Fill it or remove it.")
        elif most is not None and count > most:
            # The schema leaves further blocks of a task open; Jira's editor does not show them.
            name = "task_blocks" if kind == "blockTaskItem" else "content"
            message = f"A “{kind}” holds {count} nodes; it takes at most {most}."
            self.report(name, path + "/content", message, "Move the rest out of it.")

    def accepted_children(
        self, kind: str, content: list[object], rule: NodeRule, path: str
    ) -> Iterator[tuple[dict[str, Any], str]]:
        """Check the place of each child; yield those whose inside is worth a look."""
        places = rule.positions or (rule.children or {},) * len(content)
        for number, (child, allowed) in enumerate(zip(content, places, strict=False)):
            child_path = f"{path}/content/{number}"
            if not isinstance(child, dict):
                message = f"An entry of the content of “{kind}” is not a node."
                self.report("node", child_path, message, "Remove the entry.", child)
            elif self.is_known(child, child_path):
                self.check_place(child, kind, allowed, child_path)
                yield child, child_path

    def is_known(self, node: dict[str, Any], path: str) -> bool:
        kind = node.get("type")
        if isinstance(kind, str) and kind in NODES:
            return True
        message = "A node is of a type that Jira does not know."
        self.report("unknown_node", _pointer(path, "type"), message, _REWRITE, kind)
        return False

    def check_place(self, child: dict[str, Any], parent: str, allowed: Children, path: str) -> None:
        kind = child["type"]
        if kind not in allowed:
            message = f"A “{kind}” may not stand in a “{parent}”."
            remedy = f"Move it out of the “{parent}”, or write it as a paragraph."
            self.report("nesting", path, message, remedy)
        elif "marks" in child:
            self.check_marks(child, parent, allowed[kind], path + "/marks")

    def check_marks(self, node: dict[str, Any], parent: str, sets: MarkSets, path: str) -> None:
        kind, marks = node["type"], node["marks"]
        if not sets:
            message = f"A “{kind}” has no property “marks”."
            self.report("property", path, message, "Remove the property “marks”.", marks)
            return
        if not isinstance(marks, list):
            message = f"The marks of “{kind}” are not a list."
            self.report("mark", path, message, "Make it a list.", marks)
            return
        known = [
            mark["type"]
            for number, mark in enumerate(marks)
            if self.is_sound_mark(mark, f"{path}/{number}")
        ]
        if not any(lawful.issuperset(known) for lawful in sets):
            message = f"A “{kind}” in a “{parent}” may not wear {', '.join(known)} (together)."
            self.report("mark", path, message, "Remove all but the most important of them.")

    def is_sound_mark(self, mark: Any, path: str) -> bool:
        """Whether the type of a mark is known; what is wrong inside it is reported."""
        kind = mark.get("type") if isinstance(mark, dict) else None
        if not isinstance(kind, str) or kind not in MARKS:
            message = "A mark is of a type that Jira does not know."
            self.report("mark", path, message, "Remove the mark; the text stays.", mark)
            return False
        shape = MARKS[kind]
        for name in mark:
            if name != "type" and (name != "attrs" or shape is None):
                message = f"The mark “{kind}” has no property “{name}”."
                self.report("mark", _pointer(path, name), message, f"Remove “{name}”.")
        if shape is not None:
            self.check_shapes(mark.get("attrs"), (shape,), path + "/attrs", kind)
        return True


def _attribute_problems(attrs: Mapping[str, Any], shape: Attributes) -> Iterator[tuple[str, str]]:
    for name in sorted(shape.required - attrs.keys()):
        yield name, f"is missing; it is {shape.fields[name].expected}"
    for name, value in attrs.items():
        check = shape.fields.get(name)
        if check is None:
            yield name, "does not exist"
        elif not check.accepts(value):
            yield name, f"is not {check.expected}"


GRAMMAR = AdfCheck(
    name="grammar",
    summary="Which nodes, marks and attributes the format allows where.",
    check=check_grammar,
)

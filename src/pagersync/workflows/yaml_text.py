"""YAML in and out: JSON's values only, no key twice, no aliases, and every value's line. Pure."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from pagersync.errors import InvalidError

BYTES_MAX: Final = 1024 * 1024
DEPTH_MAX: Final = 50
MERGE: Final = "tag:yaml.org,2002:merge"
TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text says.

    Attributes:
        value: as JSON has it.
        lines: where values stand, by JSON pointer.
    """

    value: Any
    lines: Mapping[str, int]

    def place(self, pointer: str) -> str:
        """Return where a value stands, for people; of one that is missing, where it would."""
        known = pointer
        while known not in self.lines:
            known = known.rpartition("/")[0]
        return f"line {self.lines[known]}, {pointer[1:]}" if pointer else f"line {self.lines['']}"


class _Loader(yaml.SafeLoader):
    """Of what SafeLoader reads, only what JSON has as well."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "aliases are not read", event.start_mark)
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > DEPTH_MAX:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, f"nested more than {DEPTH_MAX} deep", mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as the library has it
        keys = set()
        for key_node, _ in node.value:
            is_merge = key_node.tag == MERGE
            key = None if is_merge else self.construct_object(key_node, deep=deep)
            if not isinstance(key, str):
                what = "keys are texts"
                raise yaml.MarkedYAMLError(None, None, what, key_node.start_mark)
            if key in keys:
                what = f"{key!r} stands here twice"
                raise yaml.MarkedYAMLError(None, None, what, key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as the library has it
        return True


def _as_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Write several lines as a block, and quote what the library would write and misread."""
    lines = text.split("\n")
    style = None
    if not all(map(str.isprintable, lines)):
        style = '"'
    elif len(lines) > 1 and all(line == line.rstrip() for line in lines):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Dumper.add_representer(str, _as_text)


def read_yaml(source: bytes) -> Parsed:
    """Return what a text says.

    Raises:
        InvalidError: it is too large, or no YAML that is read here; the detail names the line.
    """
    if len(source) > BYTES_MAX:
        raise InvalidError(f"it has more than {BYTES_MAX} bytes")
    try:
        loader = _Loader(source)
        node = loader.get_single_node()
        value = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidError(f"line {mark.line + 1 if mark else 1}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidError(str(error).replace("\n", " ")) from None
    lines = {"": 1}
    if node is not None:
        _note_lines(node, "", lines)
    return Parsed(value, lines)


def write_yaml(value: Any) -> str:
    """Return a value as `read_yaml` reads it, for people."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=90)
    return text


def _note_lines(node: yaml.Node, pointer: str, lines: dict[str, int]) -> None:
    lines[pointer] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(item, f"{pointer}/{index}", lines)
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            _note_lines(item, f"{pointer}/{key.value}", lines)
            lines[f"{pointer}/{key.value}"] = key.start_mark.line + 1

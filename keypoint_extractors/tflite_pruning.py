"""A TFLite network cut down, in memory, to what the outputs that are asked for depend on."""

from __future__ import annotations

import struct
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any

from poseauth.errors import ExtractorError


def without_unwanted_outputs(model: bytes, wanted: Collection[int]) -> bytes:
    """The network less the operators that only its other outputs depend on; the first wanted one stands in for those.

    A TFLite file is a FlatBuffer: the list of operators is shortened where it lies, and everything else stays. Of the
    pose network the mask alone is a third of the work.

    Raises
    ------
    ExtractorError
        If it is no network with these outputs.
    """
    from ai_edge_litert import schema_py_generated as tflite

    content = bytearray(model)
    try:
        network = tflite.Model.GetRootAsModel(content, 0)
        graph: Any = network.Subgraphs(0)
        operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
        outputs = [int(tensor) for tensor in graph.OutputsAsNumpy()]
        kept = [outputs[number] for number in wanted]
    except (AttributeError, IndexError, TypeError, ValueError, struct.error) as error:
        raise ExtractorError("this is not the TFLite network that is expected") from error
    needed = steps_needed(
        kept,
        [operator.InputsAsNumpy().tolist() for operator in operators],
        [operator.OutputsAsNumpy().tolist() for operator in operators],
    )
    # A vector is its length followed by its items; an item that is a table is the way from here to it.
    first = _vector(graph, 3)
    struct.pack_into("<I", content, first - 4, len(needed))
    for place, number in zip(range(first, first + 4 * len(needed), 4), needed, strict=True):
        struct.pack_into("<I", content, place, operators[number]._tab.Pos - place)
    for number, tensor in enumerate(outputs):
        struct.pack_into("<i", content, _vector(graph, 2) + 4 * number, tensor if number in wanted else kept[0])
    return bytes(content)


def _vector(table: Any, field: int) -> int:
    """Where the items of a FlatBuffer table's vector begin."""
    return int(table._tab.Vector(table._tab.Offset(4 + 2 * field)))


def steps_needed(
    wanted: Iterable[Hashable], inputs: Sequence[Collection[Hashable]], outputs: Sequence[Collection[Hashable]]
) -> list[int]:
    """Numbers of the steps of a graph that results depend on, by what each takes and gives; in their order."""
    giver = {name: number for number, names in enumerate(outputs) for name in names}
    needed: set[int] = set()
    waiting = list(wanted)
    while waiting:
        number = giver.get(waiting.pop())
        if number is not None and number not in needed:
            needed.add(number)
            waiting += inputs[number]
    return sorted(needed)

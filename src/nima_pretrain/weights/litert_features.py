"""The features of a network as a second output of its `.tflite` file, changed in memory only."""

from nima_pretrain.errors import InputError

_FILE_IDENTIFIER = b"TFL3"


def with_feature_output(content: bytes) -> bytes:
    """Returns a `.tflite` model whose second output is the input of its last dense layer.

    That tensor is computed in any case, so the first output keeps its bits, and the time hardly
    changes. Published files, whose sha256 is recorded, need not be made anew.

    Args:
        content: a model with one output, as `litert_writing` writes it.

    Raises:
        InputError: the model has no dense layer.
    """
    # LiteRT's own reader and writer of the format, which take 0.2 s to import.
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    dense = [
        operator
        for operator in graph.operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode
        == schema.BuiltinOperator.FULLY_CONNECTED
    ]
    if not dense:
        raise InputError(
            "Expected a .tflite file whose network ends in a dense layer, received one without. "
            "Use --engine tensorflow."
        )
    graph.outputs = [*graph.outputs, dense[-1].inputs[0]]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())

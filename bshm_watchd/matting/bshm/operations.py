"""Which operations a graph may use: arithmetic on tensors. What reads, writes, runs scripts or keeps state is not here.

A frozen graph is a program. TensorFlow would run one that reads files or calls Python without asking; here whatever is
not known to be harmless is refused, so a graph that needs more names it in its error.
"""

from __future__ import annotations

_STRUCTURE = """
    Const Identity IdentityN NoOp Placeholder PlaceholderWithDefault PreventGradient Snapshot StopGradient
"""
_SHAPES = """
    BatchToSpaceND BroadcastArgs BroadcastTo Concat ConcatV2 DepthToSpace EnsureShape ExpandDims Fill Gather GatherNd
    GatherV2 MirrorPad OneHot OnesLike Pack Pad PadV2 Range Rank Reshape ReverseV2 ScatterNd Shape ShapeN Size Slice
    SpaceToBatchND SpaceToDepth Split SplitV Squeeze StridedSlice Tile Transpose Unpack ZerosLike
"""
_ARITHMETIC = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin Cast Ceil ClipByValue Cos Cumsum Div DivNoNan Elu Equal Erf Exp Expm1 Floor
    FloorDiv FloorMod Gelu Greater GreaterEqual IsFinite IsNan LeakyRelu Less LessEqual Log Log1p LogSoftmax LogicalAnd
    LogicalNot LogicalOr Max Maximum Mean Min Minimum Mod Mul MulNoNan Neg NotEqual Pow Prod RealDiv Reciprocal Relu
    Relu6 Rint Round Rsqrt Select SelectV2 Selu Sigmoid Sign Sin Softmax Softplus Softsign Sqrt Square SquaredDifference
    Sub Sum Tanh TopKV2 TruncateDiv TruncateMod Where Xdivy
"""
_NETWORKS = """
    AvgPool BatchMatMul BatchMatMulV2 BatchNormWithGlobalNormalization BiasAdd BiasAddV1 Conv2D Conv2DBackpropInput
    DepthwiseConv2dNative Dilation2D Einsum FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 L2Loss LRN MatMul MaxPool
    MaxPoolV2 MaxPoolWithArgmax
"""
_PICTURES = """
    CropAndResize ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate
"""
# A graph of TensorFlow 1 keeps the switch between training and use, and checks of its shapes.
_CONTROL = """
    Assert Merge RefSwitch Switch
"""


def _names(*lists: str) -> frozenset[str]:
    return frozenset(name for names in lists for name in names.split())


ALLOWED = _names(_STRUCTURE, _SHAPES, _ARITHMETIC, _NETWORKS, _PICTURES, _CONTROL)
# Calls of functions that the graph itself brings; their bodies are looked at like the graph.
CALLS = _names("If PartitionedCall StatefulPartitionedCall StatelessIf StatelessWhile While")

# A SavedModel holds its weights beside its graph. Its own two functions write and read them; loading calls neither.
VARIABLES = _names("AssignVariableOp DisableCopyOnRead ReadVariableOp VarHandleOp VarIsInitializedOp")
SAVING = _names("MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin")

_FILES = _names("""
    FixedLengthRecordReader FixedLengthRecordReaderV2 LMDBReader LoadAndRemapMatrix MatchingFiles MergeV2Checkpoints
    PrintV2 ReadFile ReaderReadV2 Restore RestoreSlice RestoreV2 Save SaveSlices SaveV2 TFRecordReader TFRecordReaderV2
    TextLineReader TextLineReaderV2 WholeFileReader WholeFileReaderV2 WriteFile
    """)
_SCRIPTS = _names("EagerPyFunc PyFunc PyFuncStateless NumericFunc")
_STATE = _names("Assign ReadVariableOp RefIdentity VarHandleOp Variable VariableV2")


def refusal(operation: str, also: frozenset[str] = frozenset()) -> str | None:
    """Why a graph with this operation is refused, as the rest of a sentence; None where it may be used."""
    if operation in ALLOWED or operation in CALLS or operation in also:
        return None
    if operation in _FILES or operation.endswith(("Dataset", "DatasetV2")):
        return f"{operation} reads or writes files: such a graph is never run"
    if operation in _SCRIPTS:
        return f"{operation} calls a script: such a graph is never run"
    if operation in _STATE:
        return f"{operation} holds weights outside the graph: freeze it first, so that they become constants"
    return f"{operation} is not among the operations that a matting network needs"

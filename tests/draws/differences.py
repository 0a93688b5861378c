"""Where heddle and MXNet 1.9.1 answer a draw differently on purpose, and why.

An entry serves some operators, under a condition, for findings of one kind. One that no draw needs any more fails.
"""
import dataclasses
import re
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Difference:
    ops: tuple                               # names of operators
    says: str                                # a regular expression that finds it in what judge.py found
    reason: str
    when: Callable = lambda draw: True       # a condition of the draw
    always: bool = True                      # False: MXNet's answer depends on what happens to lie in memory

    def explains(self, draw, finding):
        return draw.op in self.ops and re.search(self.says, finding) is not None and self.when(draw)


DIFFERENCES = []


def differs(ops, says, reason, when=lambda draw: True, always=True):
    DIFFERENCES.append(Difference(tuple(ops.split()), says, reason, when, always))


# --- conditions -------------------------------------------------------------------------------------
def adds(draw):
    return "add" in draw.reqs


def empty(draw):
    return draw.empty


def whole(draw):
    return np.dtype(draw.dtype).kind in "iu"


def integer_arguments(draw):
    return any(a.dtype.kind in "iu" for a in draw.arrays())


# --- arrays without elements ------------------------------------------------------------------------
differs("LayerNorm GroupNorm mean nanprod elemwise_add Reshape Flatten amp_cast amp_multicast repeat pick broadcast_add InstanceNorm "
        "LinearRegressionOutput LogisticRegressionOutput SequenceLast SequenceReverse SequenceMask _contrib_quantize_v2 _contrib_dequantize "
        "Activation BatchNorm FullyConnected LeakyReLU SoftmaxActivation SoftmaxOutput broadcast_sub broadcast_to broadcast_like "
        "nansum prod norm moments max min sum _shuffle take "
        "_contrib_boolean_mask _contrib_quantize _contrib_requantize", r"MXNet('s gradient)? (raises|dies)",
        "MXNet's kernel does not expect an empty array", empty)

# --- what MXNet has no kernels for ------------------------------------------------------------------
differs("Activation MakeLoss hard_sigmoid Pad", r"raises \w+: .*floating point types", "heddle takes integers, too", whole)
differs("Convolution Convolution_v1 Deconvolution FullyConnected UpSampling dot batch_dot _contrib_DeformableConvolution "
        "_contrib_ModulatedDeformableConvolution",
        r"MXNet('s gradient)? raises .*(FP16 gemm on cpu not implemented|float16 fully connected|dot only supports float32/float64)",
        "MXNet multiplies no halves on CPUs", lambda draw: draw.dtype == "float16")
differs("InstanceNorm LRN SoftmaxActivation Pooling Crop BatchNorm_v1 fill_element_0index _onehot_encode CTCLoss _contrib_SyncBatchNorm "
        "GridGenerator _contrib_MultiBoxPrior _contrib_MultiBoxTarget _contrib_MultiBoxDetection _contrib_interleaved_matmul_selfatt_qk "
        "_contrib_interleaved_matmul_selfatt_valatt _contrib_interleaved_matmul_encdec_qk _contrib_interleaved_matmul_encdec_valatt",
        r"MXNet('s gradient)? raises .*(data type do not match|Unsupported data type|only support float32|Other DTypes|Only FP32)",
        "MXNet's kernel knows float32 only", lambda draw: draw.dtype != "float32")
differs("sort argsort topk", r"MXNet raises .*does not support float16", "MXNet sorts no halves where a gradient is asked for",
        lambda draw: draw.dtype == "float16")
differs("amp_cast amp_multicast", r"MXNet (raises .*(unknown type for MKLDNN|could not execute a primitive)|dies)", "MXNet's oneDNN casts neither float64 nor wide integers")
differs("amp_cast", r"out0 differs", "MXNet's oneDNN rounds to whole numbers where Cast truncates",
        lambda draw: np.dtype(draw.params["dtype"]).kind in "iu")
differs("_grad_add _shuffle khatri_rao batch_take _slice_assign _slice_assign_scalar _onehot_encode",
        r"MXNet('s gradient)? raises \w+: .*non-differentiable", "heddle has a gradient where MXNet has none")
differs("Deconvolution", r"MXNet raises .*(Only 1D or 2D|Dilate is not supported in 3d)", "MXNet has no such layer of volumes",
        lambda draw: len(draw.params["kernel"]) == 3)
differs("Deconvolution", r"heddle raises .*leaves nothing", "heddle refuses a result without elements")
differs("RNN", r"MXNet raises .*state clipping", "MXNet clips on GPUs only", lambda draw: "lstm_state_clip_min" in draw.params)
differs("khatri_rao", r"MXNet raises .*Not implmented", "MXNet multiplies float32 and float64 only",
        lambda draw: whole(draw) or draw.dtype == "float16")
differs("Deconvolution", r"MXNet('s gradient)? raises .*could not create", "MXNet's oneDNN has no kernel for it",
        lambda draw: draw.dtype == "float32")
differs("log_softmax softmin", r"MXNet raises .*(argument 'length'|name length not found)",
        "MXNet's takes use_length but no lengths", lambda draw: draw.params.get("use_length"))
differs("softmax", r"MXNet raises .*must be in range", "MXNet takes lengths along the last axis only",
        lambda draw: draw.params.get("use_length") and draw.params["axis"] not in (-1, len(draw.shapes()[0]) - 1))
differs("dot", r"MXNet raises .*Cannot transpose vectors", "a vector transposed is itself",
        lambda draw: draw.params["transpose_a"] or draw.params["transpose_b"])
differs("reverse _np_cumsum", r"MXNet raises .*must be in range", "heddle counts axes from the end, too",
        lambda draw: min(np.ravel(draw.params["axis"])) < 0)
differs("tile", r"MXNet raises Too many reduction axes|MXNet raises .*Too many reduction axes", "MXNet's gradient adds along few axes only")
differs("sort argsort", r"MXNet raises .*Invalid Parameter format for axis", "MXNet's gradient knows no default axis",
        lambda draw: "axis" not in draw.params)
differs("_contrib_BatchNormWithReLU", r"MXNet('s gradient)? raises .*only supports MKL-DNN", "MXNet has it in oneDNN only: float32, three shapes, training")
differs("RNN", r"MXNet's gradient raises .*AddTo is not supported", "MXNet adds to no gradient of data", adds)
differs("_contrib_ModulatedDeformableConvolution", r"MXNet's gradient raises .*only implemented in GPU", "MXNet has the gradient for GPUs only")
differs("_image_random_flip_left_right _image_random_flip_top_bottom _image_to_tensor", r"heddle('s gradient)? raises .*has no gradient",
        "MXNet's gradient takes no notice of what was done")
differs("BatchNorm_v1", r"eager: MXNet raises .*Cannot find argument", "MXNet's eager function takes no moving averages")

# --- gradients that are added -----------------------------------------------------------------------
differs("clip mean moments SVMOutput SoftmaxOutput LinearRegressionOutput LogisticRegressionOutput MAERegressionOutput MakeLoss "
        "Convolution Convolution_v1 Pooling_v1 reverse _split_v2 Crop amp_cast amp_multicast _linalg_gemm _linalg_gemm2 _linalg_inverse _linalg_trmm "
        "_linalg_trsm "
        "_linalg_gelqf _linalg_syevd _contrib_hawkesll _contrib_boolean_mask SpatialTransformer _contrib_MultiBoxTarget "
        "_np_cumsum _contrib_MultiBoxPrior _contrib_MultiBoxDetection _contrib_box_iou _contrib_bipartite_matching _contrib_DeformableConvolution "
        "_contrib_BilinearResize2D", r"grad\d differs",
        "MXNet's gradient overwrites or scales what it should be added to", adds)
differs("elemwise_add elemwise_sub", r"bound: grad\d differs",
        "MXNet's plan lets both gradients share memory, of which one is added", adds)

# --- values -----------------------------------------------------------------------------------------
differs("elemwise_div broadcast_div _div_scalar", r"MXNet dies", "MXNet dies of an integer divided by zero", whole)
differs("_rdiv_scalar", r"out0 differs: 0 ", "heddle says 0 for an integer divided by zero, MXNet the smallest one", whole)
differs("_power broadcast_power _power_scalar _rpower_scalar", r"out0 differs", "MXNet raises integers to a power in float32", whole)
differs("_minimum_scalar _maximum_scalar _hypot_scalar _greater_scalar _greater_equal_scalar _lesser_scalar _lesser_equal_scalar _mod_scalar "
        "_div_scalar", r"out0 differs",
        "MXNet squeezes the number into the array's type before it compares or divides",
        lambda draw: draw.dtype == "uint8" and draw.params.get("scalar", 1) < 0)
differs("norm", r"out0 differs", "MXNet rounds the sum of squares at every element", whole)
differs("nanprod", r"grad0 differs: 0.0 .*MXNet nan", "a NaN that counts as 1 has no gradient; MXNet's is NaN")
differs("argmax argmin argmax_channel", r"out0 is float32, in MXNet", "an index keeps its value, which small types cannot hold",
        lambda draw: draw.dtype in ("float16", "uint8", "int8"))
differs("LeakyReLU", r"out1 is missing in heddle", "MXNet shows its mask", lambda draw: draw.params["act_type"] == "rrelu")
differs("Pooling_v1", r"out0 differs|grad0 differs", "MXNet pads with zeros, which win over negative data",
        lambda draw: draw.params["pool_type"] == "max" and (draw.params["pooling_convention"] == "full" or any(draw.params.get("pad", ()))))
differs("SequenceLast", r"MXNet dies", "MXNet dies of an added gradient without lengths, or with them along axis 1")
differs("SequenceLast", r"grad0 differs", "MXNet's gradient of a batch that comes first is lost without lengths",
        lambda draw: not draw.params["use_sequence_length"] and (draw.params.get("axis") or adds(draw)), always=False)
differs("SequenceLast", r"eager: grad0 differs: .*in MXNet 0.0", "MXNet's gradient without lengths is lost now and then",
        lambda draw: not draw.params["use_sequence_length"], always=False)
differs("all_finite", r"out0 differs", "MXNet adds to memory that nobody has written", lambda draw: not draw.params.get("init_output", True), always=False)
differs("_histogram", r"out0 differs", "MXNet rounds the range to the data's type", whole)
differs("BatchNorm BatchNorm_v1 _contrib_SyncBatchNorm _contrib_BatchNormWithReLU", r"bound: mut1 differs: 1.0", "heddle makes a fixed gamma 1 also where nobody wants its gradient",
        lambda draw: draw.params["fix_gamma"])
differs("BatchNorm _contrib_SyncBatchNorm", r"eager: mut1 differs: 1.0", "heddle makes a fixed gamma 1 also where there are no data",
        lambda draw: draw.params["fix_gamma"] and draw.empty, always=False)
differs("BatchNorm InstanceNorm", r"grad1 differs", "MXNet adds up in float32 one by one",
        lambda draw: draw.dtype == "float32" and draw.arrays()[0].size > 2000)
differs("multi_sum_sq", r"out0 differs", "MXNet adds up in float32 one by one", lambda draw: draw.arrays()[0].size > 2000)
differs("_contrib_hawkesll", r"grad2 differs", "MXNet adds to the gradient of beta in float32 what cancels")
differs("broadcast_div", r"grad\d differs", "large quotients cancel, and what float32 lost of them stays",
        lambda draw: draw.dtype == "float32" and max(a.size for a in draw.arrays()) > 2000)
differs("BatchNorm_v1 _contrib_SyncBatchNorm", r"grad1 differs", "MXNet adds up in float32 one by one", lambda draw: max(draw.shapes()[0]) > 10)
differs("SoftmaxActivation", r"grad0 differs", "MXNet's gradient is that of one softmax for the whole instance",
        lambda draw: draw.params["mode"] == "instance" and len(draw.shapes()[0]) > 2)
differs("SoftmaxOutput", r"grad0 differs", "MXNet multiplies by the output instead of the output's gradient", lambda draw: draw.params.get("out_grad"))
differs("SoftmaxOutput", r"(out|grad)0 differs", "MXNet's oneDNN takes the last axis where its own kernel takes the instance",
        lambda draw: len(draw.shapes()[0]) > 2 and not draw.params.get("multi_output") and not draw.params.get("preserve_shape"))
differs("gamma gammaln", r"grad0 differs: nan", "the digamma function has no value at 0")
differs("SoftmaxOutput", r"grad0 differs", "MXNet forgets to smooth the labels of several outputs",
        lambda draw: draw.params.get("multi_output") and draw.params.get("smooth_alpha"))
differs("Convolution_v1", r"grad[01] differs", "MXNet's gradient mixes up groups, and windows with gaps",
        lambda draw: draw.params.get("num_group", 1) > 1 or "dilate" in draw.params)
differs("Convolution_v1 _contrib_DeformableConvolution _contrib_ModulatedDeformableConvolution",
        r"heddle raises .*(is larger than the padded data|is smaller than the kernel)",
        "MXNet rounds a negative extent up to one cell, and reads past the data", lambda draw: "dilate" in draw.params, always=False)
differs("Deconvolution", r"out0 differs", "MXNet's float64 kernel puts the gaps of a window where it has none",
        lambda draw: draw.dtype == "float64" and max(draw.params.get("dilate", (1,))) > 1)
differs("Pooling_v1", r"grad0 differs", "MXNet gives the gradient of a window to each of several largest elements",
        lambda draw: draw.params["pool_type"] == "max")
differs("Reshape", r"heddle raises .*does not fill", "MXNet does not count what -2 leaves out",
        lambda draw: -2 in draw.params["shape"])
differs("_cvcopyMakeBorder", r"out0 differs", "MXNet fills three channels, and leaves a fourth one 0",
        lambda draw: draw.shapes()[0][-1] > 3 and draw.params["type"] == 0)
differs("argsort", r"out0 differs", "MXNet does not keep the order of equal elements of 8 bits", lambda draw: draw.dtype in ("int8", "uint8"))
differs("Convolution_v1", r"MXNet dies", "MXNet dies of a window that is larger than the data", lambda draw: "dilate" in draw.params)
differs("LeakyReLU", r"MXNet dies", "MXNet dies of halves and of float64", lambda draw: draw.params["act_type"] == "rrelu", always=False)
differs("_arange", r"out0 differs", "MXNet counts in the array's own halves", lambda draw: draw.params["dtype"] == "float16")
differs("_contrib_allclose", r"out0 has shape \(1,\), in MXNet \(\)", "heddle's results have at least one axis")
differs("mp_lamb_update_phase2", r"mut4 differs", "MXNet leaves weight32 as it was")
differs("_contrib_arange_like", r"out0 differs", "MXNet counts in the array's own halves", lambda draw: draw.dtype == "float16")
differs("_contrib_interleaved_matmul_selfatt_valatt _contrib_interleaved_matmul_encdec_qk _contrib_interleaved_matmul_encdec_valatt",
        r"grad\d differs: .*in MXNet [01].0", "MXNet leaves a gradient out where the other one is not asked for", lambda draw: "null" in draw.reqs)
differs("_image_flip_left_right _image_flip_top_bottom", r"(out|grad)0 differs", "MXNet's gradient is wrong, and what lies in the middle is left unwritten",
        always=False)
differs("nag_mom_update", r"mut2 differs", "MXNet's momentum has the decay of the new weight only where that is written over the old one",
        lambda draw: draw.params.get("wd"))
differs("_contrib_calibrate_entropy", r"out\d differs", "MXNet sums in float32, which decides between thresholds that are nearly as good")
differs("_np_cumsum", r"out0 differs", "MXNet's running sum drifts in float32, and in halves", lambda draw: draw.arrays()[0].size > 100)
differs("_np_cumsum", r"out0 differs: .*in MXNet -\d{9}", "what is no number, or infinite, has no whole number", lambda draw: "dtype" in draw.params)
differs("Reshape", r"MXNet dies", "MXNet reads past its shape", lambda draw: -2 in draw.params["shape"], always=False)
differs("_contrib_SyncBatchNorm BatchNorm BatchNorm_v1", r"grad[12] differs: nan|mut[34] differs: .*in MXNet -?nan",
        "the average of nothing is no number, and the moving one stays", empty)
differs("FullyConnected", r"grad2 differs: .*in MXNet [01].0", "MXNet's oneDNN leaves the gradient of bias out where that of weight is not asked for",
        lambda draw: draw.reqs[1] == "null")
differs("Pooling", r"out0 differs: 0.0 .*in MXNet nan", "MXNet divides by the size of a window that lies outside the data",
        lambda draw: draw.params["pooling_convention"] == "full" and draw.params["pool_type"] == "avg")
differs("MAERegressionOutput SVMOutput", r"grad0 differs: (0.0|nan) ", "MXNet takes what is not a number for one below the label")
differs("rcbrt tan elemwise_div broadcast_div _power broadcast_power _rmod_scalar LayerNorm _rdiv_scalar _power_scalar _mod "
        "broadcast_mod _np_cumsum moments", r"(grad\d|out[01]) differs",
        "MXNet computes with halves in halves, which overflow or are rounded on the way", lambda draw: draw.dtype == "float16")
differs("erfinv", r"out0 differs: -9223372036854775808 ", "an infinite value has no whole number", whole)
differs("mean moments", r"out[01] differs", "MXNet sums integers in their own type", whole)
differs("prod nanprod", r"(grad|out)0 differs: .*in MXNet (nan|inf)", "MXNet divides by what is not a number, and overflows on the way")
differs("nansum moments norm", r"out0 differs: -?inf .*in MXNet nan", "an infinite sum stays infinite; MXNet's correction of it is no number")
differs("norm", r"grad0 differs: -?0.0 .*in MXNet nan", "a number has no part in an infinite norm; MXNet's is none, and so is its gradient")
differs("_contrib_hawkesll", r"grad\d differs: .*in MXNet [01].0", "MXNet leaves a gradient out where others are not asked for", lambda draw: "null" in draw.reqs)
differs("_contrib_boolean_mask", r"MXNet raises .*Shape is unknown", "MXNet has no result without elements")
differs("argsort topk", r"heddle raises .*does not hold every index", "an index that halves do not hold is refused", lambda draw: draw.params.get("dtype") == "float16")
differs("Correlation", r"grad1 differs", "MXNet's gradient of the second one has the wrong sign in places", lambda draw: not draw.params["is_multiply"])
differs("_contrib_BilinearResize2D", r"heddle raises .*expected cells", "heddle refuses a result without elements")
differs("_contrib_BilinearResize2D", r"MXNet dies", "MXNet dies of the gradient of `like`", lambda draw: draw.params["mode"] == "like", always=False)

"""Writes test cases in the layout of the ONNX backend suite: DIR/NAME/{model.onnx,test_data_set_0/{input,output}_I.pb}.

Expected outputs come from ONNX's reference evaluator and from onnxruntime; a case is kept where both agree, or where
only one of them can run it. Needs numpy, onnx, onnxruntime.
"""
import os
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

warnings.simplefilter("ignore")



def string_tensor(x, name):
    return helper.make_tensor(name, onnx.TensorProto.STRING, x.shape, [s.encode() for s in x.ravel().tolist()])


def to_proto(x, name):
    return string_tensor(x, name) if x.dtype == object else numpy_helper.from_array(x, name)


def element_type(x):
    return onnx.TensorProto.STRING if x.dtype == object else helper.np_dtype_to_tensor_dtype(x.dtype)


class Writer:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.dropped = []
        self.failed = []

    def node(self, name, op, inputs, outputs=1, opset=21, domain="", constants=(), dynamic=False, **attributes):
        """A model of one node. `inputs`: arrays, None for an absent one. `constants`: numbers of inputs that become
        initializers. `dynamic`: the inputs' dimensions are symbols."""
        names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
        outs = [f"y{i}" for i in range(outputs)]
        node = helper.make_node(op, names, outs, domain=domain, **attributes)
        given = [(i, x) for i, x in enumerate(inputs) if x is not None and i not in constants]
        shape = lambda i, x: [f"d{i}_{k}" for k in range(x.ndim)] if dynamic else x.shape
        graph = helper.make_graph(
            [node], "case", [helper.make_tensor_value_info(f"x{i}", element_type(x), shape(i, x)) for i, x in given],
            [onnx.ValueInfoProto(name=o) for o in outs],
            [to_proto(inputs[i], f"x{i}") for i in constants if inputs[i] is not None])
        imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        self.model(name, model, [x for _, x in given])

    def model(self, name, model, inputs):
        name = f"{self.count:04d}_{name}"
        reference, ort, why = None, None, []
        feeds = {v.name: x for v, x in zip(model.graph.input, inputs)}
        try:
            with np.errstate(all="ignore"):
                reference = [np.asarray(y) for y in ReferenceEvaluator(model).run(None, feeds)]
        except Exception as e:
            why.append(f"reference: {e}")
        try:
            import onnxruntime as rt

            options = rt.SessionOptions()
            options.log_severity_level = 4
            options.intra_op_num_threads = 1
            options.graph_optimization_level = rt.GraphOptimizationLevel.ORT_DISABLE_ALL
            ort = rt.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, feeds)
        except Exception as e:
            why.append(f"onnxruntime: {e}")
        if reference is None and ort is None:
            self.failed.append((name, why))
            return
        if reference is not None and ort is not None and not all(same(a, b) for a, b in zip(reference, ort)):
            self.dropped.append(name)
            return
        self.write(name, model, inputs, ort if ort is not None else reference)

    def write(self, name, model, inputs, outputs):
        self.count += 1
        for o, y in zip(model.graph.output, outputs):
            o.CopyFrom(helper.make_tensor_value_info(o.name, element_type(np.asarray(y)), None))
        data = os.path.join(self.folder, name, "test_data_set_0")
        os.makedirs(data, exist_ok=True)
        onnx.save(model, os.path.join(self.folder, name, "model.onnx"))
        for kind, values in (("input", inputs), ("output", outputs)):
            for i, x in enumerate(values):
                with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as f:
                    f.write(to_proto(np.asarray(x), "").SerializeToString())


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "OUS" or b.dtype.kind in "OUS":
        return [str(s) for s in a.ravel()] == [str(s) for s in b.ravel()]
    if a.dtype != b.dtype:
        return False
    if a.dtype.kind == "f":
        t = 2e-3 if a.dtype == np.float16 else 1e-5
        return np.allclose(a, b, rtol=t, atol=t, equal_nan=True)
    return np.array_equal(a, b)

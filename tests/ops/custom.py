"""The operator that the rows of Custom call."""
import heddle as mx


class CubeTimes(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        x, y = in_data
        self.assign(out_data[0], req[0], x * x * x * y)
        self.assign(out_data[1], req[1], x + y)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        x, y = in_data
        self.assign(in_grad[0], req[0], 3 * x * x * y * out_grad[0] + out_grad[1])
        self.assign(in_grad[1], req[1], x * x * x * out_grad[0] + out_grad[1])


@mx.operator.register("row_cube_times")
class CubeTimesProp(mx.operator.CustomOpProp):
    def list_arguments(self):
        return ["x", "y"]

    def list_outputs(self):
        return ["product", "total"]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return CubeTimes()

/* The formulas, one line each: name, then the expression for float32 and for float64.
 *
 * POINT1(name, f32, f64)       of x
 * POINT2(name, f32, f64)       of x and y; a backward formula reads the gradient as x, and what was saved as y
 * s0, s1 are the settings of the call. map.c makes the kernels: a line here is a kernel there.
 */

POINT1(neg, -x, -x)
POINT1(exp, exp32(x), exp(x))
POINT1(sigmoid, sigmoid32(x), sigmoid64(x))
POINT1(tanh, tanh32(x), tanh(x))
POINT1(relu, x < 0.0f ? 0.0f : x, x < 0.0 ? 0.0 : x)

POINT2(add, x + y, x + y)
POINT2(sub, x - y, x - y)
POINT2(mul, x * y, x * y)
POINT2(div, x / y, x / y)

POINT2(exp_backward, x * y, x * y)
POINT2(sigmoid_backward, x * (1.0f - y) * y, x * (1.0 - y) * y)
POINT2(tanh_backward, x * (1.0f - y * y), x * (1.0 - y * y))
POINT2(relu_backward, y > 0.0f ? x : 0.0f, y > 0.0 ? x : 0.0)

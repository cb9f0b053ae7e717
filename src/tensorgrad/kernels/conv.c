/* Convolution of float32. */
#define ELEMENT_BYTES 4
#include "conv_weight.h"

const Kernel LEVEL(conv_entries)[] = {
    {"convolution", DT_F32, conv, .cost = 0.02f, .inputs = 4, .outputs = 1, .units = conv_units, .refuse = refuse_conv,
     .operands = "input=ce weight=ab bias?=a windows=i64:36 out=cad"},
    {"convolution_input", DT_F32, conv_input, .cost = 0.02f, .inputs = 4, .outputs = 1, .coarse = 1, .units = conv_input_units,
     .refuse = refuse_conv_input, .operands = "grad=cad weight=ab bias?=f windows=i64:36 out=ce"},
    {"convolution_weight", DT_F32, conv_weight, .cost = 0.02f, .inputs = 3, .outputs = 1, .units = conv_weight_units,
     .refuse = refuse_conv_weight, .operands = "grad=cad input=ce windows=i64:36 out=ab", .workspace = conv_weight_workspace,
     .finish = conv_weight_finish},
    {NULL},
};

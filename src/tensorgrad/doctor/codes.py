"""The codes: how bad each is, why it stops learning, what to change."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    severity: str
    why: str
    remedy: str


CODES = {
    "script-error": Code(
        "error",
        "The run ended before it was done.",
        "Read the traceback; its last line of your own is named.",
    ),
    "dead-relu": Code(
        "warning",
        "A ReLU that is zero for every row passes no gradient, so the weights before it never change again.",
        "Start biases at 0 and weights as the layer does by itself, lower the learning rate, or use "
        "LeakyReLU or GELU.",
    ),
    "saturated": Code(
        "warning",
        "At the ends of tanh and sigmoid the slope is nearly nothing, so hardly any gradient comes through.",
        "Use smaller first weights, bring the inputs to mean 0 and spread 1, or put a norm layer before the "
        "activation.",
    ),
    "vanishing-gradient": Code(
        "warning",
        "The first layers get next to no gradient and stay as they were drawn, so later ones learn from "
        "noise.",
        "Use ReLU or GELU with their own initial weights, residual connections, norm layers, or fewer "
        "layers.",
    ),
    "exploding-gradient": Code(
        "error",
        "Values that multiply from layer to layer or step to step end in steps of any size, or in infinity.",
        "Draw smaller first weights (init.kaiming_normal_, orthogonal_), add norm layers, and clip the "
        "gradient's norm.",
    ),
    "not-in-optimizer": Code(
        "error",
        "What no optimizer has is never changed: the layer stays as it was drawn.",
        "Give the optimizer all parameters; keep layers in nn.ModuleList or nn.ModuleDict, not in a list or "
        "dict.",
    ),
    "no-gradient": Code(
        "warning",
        "The optimizer skips a parameter without gradient, so it never changes.",
        "See that the loss depends on it: take detach(), no_grad() or .data out of the way, or use the "
        "layer in forward().",
    ),
    "stale-parameter": Code(
        "error",
        "The optimizer goes on with the parameter that was replaced, and nobody changes the new one.",
        "Make the optimizer after the last change of the model, or change values in place (copy_, nn.init).",
    ),
    "missing-zero-grad": Code(
        "error",
        "backward() adds to .grad, so each step goes along the sum of all gradients so far.",
        "Call optimizer.zero_grad() once for each step, before backward().",
    ),
    "missing-step": Code(
        "error",
        "Gradients alone change nothing; step() is what moves the parameters.",
        "Call optimizer.step() after backward(), as often as there are (accumulated) batches.",
    ),
    "missing-backward": Code(
        "error",
        "Without gradients step() has nothing to go by, and leaves the parameters as they are.",
        "Call backward() on the loss of this optimizer's parameters before its step().",
    ),
    "softmax-before-cross-entropy": Code(
        "error",
        "cross_entropy applies log_softmax itself. On probabilities it can tell classes only a little apart, "
        "and its gradient is small.",
        "Give cross_entropy the raw scores, and nll_loss log_softmax of them; apply softmax only where "
        "probabilities are shown.",
    ),
    "sigmoid-before-bce-with-logits": Code(
        "error",
        "The loss applies a sigmoid itself. A second one keeps probabilities between 0.5 and 0.73.",
        "Give it the raw scores, or use BCELoss on the sigmoid's output.",
    ),
    "softmax-wrong-dim": Code(
        "error",
        "Values that add up to one along the wrong axis make rows compete that have nothing to do with each "
        "other.",
        "Normalise over the axis of the classes or positions: dim=-1 or dim=1, not the batch's.",
    ),
    "nan-birth": Code(
        "error",
        "One NaN in the loss or a gradient makes every parameter NaN at the next step.",
        "Keep the operand away from the edge: clamp(min=eps), + eps under sqrt and in denominators, log1p, "
        "or the fused loss (binary_cross_entropy_with_logits, cross_entropy).",
    ),
    "nan-in-data": Code(
        "error",
        "NaN or infinity in a row spreads to the loss and from there to every parameter.",
        "Fill or drop such values before training: nan_to_num, a mean, or rows left out.",
    ),
    "eval-left-on": Code(
        "warning",
        "In evaluation mode dropout is off and batch norm uses stored statistics, which training then never "
        "renews.",
        "Call model.train() before each training epoch.",
    ),
    "train-left-on": Code(
        "warning",
        "In training mode dropout hides units, and batch norm uses and changes the statistics of whatever "
        "batch comes.",
        "Call model.eval() before evaluation, and model.train() after it.",
    ),
    "lr-too-high": Code(
        "error",
        "Steps as large as the weights themselves jump over every minimum.",
        "Divide the learning rate by 10 until the loss falls from the first steps on; then warm up or decay "
        "it.",
    ),
    "lr-too-low": Code(
        "warning",
        "The weights stay where they started, however long it runs.",
        "Raise the learning rate: 0.1 to 0.01 for SGD with momentum and 0.001 for Adam are usual beginnings.",
    ),
    "lr-zero": Code(
        "error",
        "With rate 0 step() changes nothing.",
        "Print the schedule's rates; look for // where / was meant, a gamma of 0, or a schedule that ends "
        "too early.",
    ),
    "broadcast-loss": Code(
        "error",
        "(N,) against (N, 1) compares every prediction with every target; the best answer is then the mean "
        "of all.",
        "Bring both to one shape: squeeze(1) the prediction or unsqueeze(1) the target.",
    ),
    "symmetric-init": Code(
        "error",
        "Units with equal weights get equal gradients and stay equal: the layer has the width of one unit.",
        "Draw weights at random (leave them as the layer drew them, or init.xavier_uniform_); biases may be "
        "equal.",
    ),
    "input-scale": Code(
        "warning",
        "First weights and learning rates are made for inputs of about size 1; one large column outweighs "
        "all others.",
        "Bring each column to mean 0 and spread 1 with the training rows' figures, or begin with a "
        "BatchNorm.",
    ),
    "constant-input": Code(
        "error",
        "If every row looks the same, the best answer is the mean of the targets.",
        "Look at one batch as it goes in: integer division, a wrong index, or a column that was overwritten.",
    ),
    "no-nonlinearity": Code(
        "warning",
        "Linear layers in a row are one linear layer, however many they are.",
        "Put an activation (ReLU, GELU, Tanh) between them.",
    ),
    "frozen": Code(
        "warning",
        "A layer with requires_grad False stays as it was drawn, and the others must do with random "
        "features.",
        "Freeze only what was trained before, and compare names of parameters exactly.",
    ),
    "graph-kept": Code(
        "warning",
        "A tensor that is kept keeps the graph it came from, and memory grows with every step.",
        "Keep numbers: loss.item() or loss.detach(), and evaluate inside torch.no_grad().",
    ),
    "weight-decay-too-strong": Code(
        "warning",
        "The pull towards zero is as strong as the gradient of the loss, so weights shrink and do not learn.",
        "Use a weight decay of 0.1 or less with AdamW, 0.001 or less with SGD.",
    ),
    "clipped-to-nothing": Code(
        "warning",
        "What is left of the gradient is too small to move anything.",
        "Clip to the usual size of the gradient's norm (often 1.0); print the norm that clip_grad_norm_ "
        "returns.",
    ),
    "constant-prediction": Code(
        "warning",
        "One answer for all rows is what is right most often, not something learned from the inputs.",
        "Weigh rare classes (weight=, pos_weight=), sample them more often, shuffle, and train longer.",
    ),
    "batch-of-one-norm": Code(
        "error",
        "Batch norm takes the mean away; of a single row nothing that tells it from others is left.",
        "Use larger batches, drop_last=True in the DataLoader, or LayerNorm or GroupNorm.",
    ),
    "detached-loss": Code(
        "error",
        "A loss that was made anew from a number knows nothing of the network, so no parameter gets a "
        "gradient.",
        "Call backward() on the tensor that the loss function returned; use .item() for printing only.",
    ),
    "wrong-reduction": Code(
        "error",
        "A summed loss has a gradient as many times larger as there are rows, and so have the steps.",
        "Take the mean (reduction='mean'), or divide the learning rate by the number of rows.",
    ),
    "labels-unrelated": Code(
        "warning",
        "If labels have nothing to do with the inputs beside them there is nothing to learn but their "
        "frequencies.",
        "Check that inputs and labels are permuted, filtered and shifted alike.",
    ),
    "not-shuffled": Code(
        "warning",
        "Batches of one kind pull the net to and fro: each teaches only its own kind and undoes the one "
        "before.",
        "Shuffle the rows in each epoch: DataLoader(..., shuffle=True) or torch.randperm.",
    ),
    "backward-inside-no-grad": Code(
        "error",
        "Inside no_grad nothing is recorded, so backward() has no way to the parameters.",
        "Take the forward pass of training out of no_grad(), inference_mode() or set_grad_enabled(False).",
    ),
    "bad-clip": Code(
        "error",
        "Clipping works on the gradients that are there; before backward() those are none or the old ones.",
        "Clip between backward() and step().",
    ),
    "dropout-too-strong": Code(
        "warning",
        "p is the share that is dropped; what is left tells little of the input, and changes with every "
        "step.",
        "Use a p between 0.1 and 0.5.",
    ),
    "hidden-state-not-detached": Code(
        "error",
        "A state that carries its graph takes backward() through all earlier batches, which grows or fails.",
        "Detach the state between batches: h = h.detach().",
    ),
}  # fmt: skip

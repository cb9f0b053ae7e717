"""An LSTM tags sequences of several lengths, packed."""

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


class Tagger(nn.Module):
    def __init__(self, words: int, tags: int, hidden: int = 6) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, hidden, padding_idx=0)
        self.lstm = nn.LSTM(hidden, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, tags)

    def forward(self, words: tg.Tensor, lengths: tg.Tensor) -> tg.Tensor:
        packed = pack_padded_sequence(
            self.embedding(words), lengths, batch_first=True, enforce_sorted=False
        )
        found, (h, c) = self.lstm(packed)
        assert h.shape == c.shape
        padded, _ = pad_packed_sequence(found, batch_first=True)
        return self.out(padded)


sentences = [tg.tensor([3, 1, 2]), tg.tensor([4, 4])]
words = pad_sequence(sentences, batch_first=True)
tagger = Tagger(5, 3)
scores = tagger(words, tg.tensor([len(s) for s in sentences]))
print(scores.shape, scores.log_softmax(-1).exp().sum(-1))

output, (h, c) = nn.LSTM(4, 5)(tg.ones(3, 2, 4))
print(output.shape, h.shape, c.size(0))
output, state = nn.GRU(4, 5)(tg.ones(3, 2, 4), tg.zeros(1, 2, 5))
print(output.mean(), state.sum())
cell = nn.LSTMCell(4, 5)
h, c = cell(tg.ones(2, 4))
h, c = cell(tg.ones(2, 4), (h, c))

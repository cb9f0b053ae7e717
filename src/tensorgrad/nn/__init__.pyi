# Written by tools/stubs.py from the declarations; edit those, not this file.
from tensorgrad.nn.modules import *
from tensorgrad.nn.parameter import Buffer as Buffer
from tensorgrad.nn.parallel.data_parallel import DataParallel as DataParallel
from tensorgrad.nn.parameter import Parameter as Parameter
from tensorgrad.nn.parameter import UninitializedBuffer as UninitializedBuffer
from tensorgrad.nn.parameter import UninitializedParameter as UninitializedParameter
from tensorgrad.nn import attention as attention
from tensorgrad.nn.modules.utils import factory_kwargs as factory_kwargs
from tensorgrad.nn import functional as functional
from tensorgrad.nn import init as init
from tensorgrad.nn import modules as modules
from tensorgrad.nn import parallel as parallel
from tensorgrad.nn import parameter as parameter
from tensorgrad.nn import utils as utils

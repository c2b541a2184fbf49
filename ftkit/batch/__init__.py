"Many runs of one template: the plan, the ledger, the driver."

from .._moved import moved

__getattr__ = moved(__name__)

"""Calls a compiled function by its address.

Numba links a callee's code into every caller and optimises it again each time, and
a parallel loop counts as four callers. For a chunk of rows that is 0.7 s each, 3 s
of a first fit. Through an address the code is compiled once, for the serial and the
parallel path together.
"""

from typing import Any

import numba
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic


def native_address(function: Any, *arguments: Any) -> int:
    """Address of the kernel's machine code for arguments of these types.

    The function is compiled, or loaded from the cache, if it must be.
    """
    signature = tuple(numba.typeof(argument) for argument in arguments)
    function.compile(signature)
    compiled = function.overloads[signature]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


@intrinsic
def call_address(typing_context, address, arguments):
    """Call the kernel at an address; it returns None and takes the tuple's items.

    The types of the items must be those that the address was taken for, so integers
    must be of the type that Python's have.
    """
    for item in arguments:
        if isinstance(item, types.Integer) and item != types.intp:
            raise TypingError(f"an integer for call_address is {item}, not intp")

    def generate(context, builder, signature, values):
        argument_types = tuple(signature.args[1])
        convention = context.call_conv
        function_type = convention.get_function_type(types.none, argument_types)
        function = builder.inttoptr(values[0], function_type.as_pointer())
        items = [
            builder.extract_value(values[1], i) for i in range(len(argument_types))
        ]
        status, _ = convention.call_function(
            builder, function, types.none, argument_types, items
        )
        with builder.if_then(status.is_error, likely=False):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(types.intp, arguments), generate

"""Subroutines as code that is linked into kernels, and is nothing on its own."""

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder


class LinkedCode(JITCodeLibrary):
    """Code that LLVM looks at within a kernel only.

    Numba would optimise each function, with all that it calls, and make machine code of
    it, which nobody enters: for the subroutines of four kernels, 2.2 s of a first fit.
    """

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def codegen(self) -> Any:
        """Where Numba sets the address of an environment, for code that is loaded."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """There is no place to set: the code is not loaded."""


class SubroutineCompiler(CompilerBase):
    """Numba's own compiler, which leaves the end of its work to that of the kernel."""

    def define_pipelines(self) -> list[Any]:
        """Numba's steps, whose result is such code."""
        state = self.state
        name = state.func_id.func_qualname
        state.library = LinkedCode(state.targetctx.codegen(), name)
        return [DefaultPassBuilder.define_nopython_pipeline(state)]

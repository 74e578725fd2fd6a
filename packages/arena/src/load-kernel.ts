/**
 * Kernels: WebAssembly compiled from AssemblyScript, instantiated over an arena's memory.
 *
 * A kernel is position-independent (no data segment, no heap, every piece of state at an address passed in), so any
 * number of them share one memory, each thread with instances of its own.
 */
import type { Arena } from "./arena.ts";
import { ArenaError } from "./arena-error.ts";

/**
 * A kernel over an arena, instantiated at its first use (about a millisecond) and shared by all that ask for it through
 * the same {@link Arena} object. Any thread; each has an `Arena` and instances of its own.
 * @param base64 the kernel's bytes, as its package's build wrote them.
 * @typeParam T the exports, as the package that owns the kernel declares them.
 */
export function loadKernel<T>(base64: string, arena: Arena): T {
  const known = arena.kernels.get(base64);
  if (known !== undefined) return known as T;
  const module = new WebAssembly.Module(Buffer.from(base64, "base64"));
  const instance = new WebAssembly.Instance(module, {
    env: {
      memory: arena.memory,
      abort: (): never => {
        throw new ArenaError(
          "ESC_KERNEL_ABORT",
          "A kernel stopped on a failed assertion: its state is not to be used any more.",
        );
      },
    },
  });
  arena.kernels.set(base64, instance.exports);
  return instance.exports as T;
}

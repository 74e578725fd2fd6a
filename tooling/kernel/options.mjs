/** How kernels are compiled: by the build, and by the explorer of their interleavings. */
export const compilerOptions = [
  "-O3",
  "--noAssert",
  "--runtime",
  "stub",
  "--importMemory",
  "--sharedMemory",
  "--initialMemory",
  "1",
  "--maximumMemory",
  "65536",
  "--enable",
  "threads,simd,bulk-memory",
  "--noExportMemory",
];

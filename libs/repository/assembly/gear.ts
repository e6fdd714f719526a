// Gear scan of docs/REPOSITORY_FORMAT.md, "Cutting". Memory: the 256 x 64-bit table at 0, data from 65536 on.
// Gives the length of the next chunk of the n bytes at ptr; the caller has either `max` bytes there or the stream's rest.
export function scan(ptr: usize, n: i32, min: i32, normal: i32, max: i32, strict: i32, loose: i32): i32 {
  const end = n < max ? n : max;
  if (end <= min) return end;
  let h: u64 = 0;
  let i: usize = ptr + min;
  const middle = normal < end ? normal : end;
  let stop: usize = ptr + middle;
  let shift: u64 = strict;
  for (let pass = 0; pass < 2; pass++) {
    // Eight bytes at a time: one load, eight independent table look-ups.
    while (i + 8 <= stop) {
      const w = load<u64>(i);
      const h0 = (h << 1) + load<u64>((<usize>(w & 255)) << 3);
      const h1 = (h0 << 1) + load<u64>((<usize>((w >> 8) & 255)) << 3);
      const h2 = (h1 << 1) + load<u64>((<usize>((w >> 16) & 255)) << 3);
      const h3 = (h2 << 1) + load<u64>((<usize>((w >> 24) & 255)) << 3);
      const h4 = (h3 << 1) + load<u64>((<usize>((w >> 32) & 255)) << 3);
      const h5 = (h4 << 1) + load<u64>((<usize>((w >> 40) & 255)) << 3);
      const h6 = (h5 << 1) + load<u64>((<usize>((w >> 48) & 255)) << 3);
      h = (h6 << 1) + load<u64>((<usize>(w >> 56)) << 3);
      if (h0 >> shift == 0) return <i32>(i + 1 - ptr);
      if (h1 >> shift == 0) return <i32>(i + 2 - ptr);
      if (h2 >> shift == 0) return <i32>(i + 3 - ptr);
      if (h3 >> shift == 0) return <i32>(i + 4 - ptr);
      if (h4 >> shift == 0) return <i32>(i + 5 - ptr);
      if (h5 >> shift == 0) return <i32>(i + 6 - ptr);
      if (h6 >> shift == 0) return <i32>(i + 7 - ptr);
      if (h >> shift == 0) return <i32>(i + 8 - ptr);
      i += 8;
    }
    while (i < stop) {
      h = (h << 1) + load<u64>((<usize>load<u8>(i)) << 3);
      i++;
      if (h >> shift == 0) return <i32>(i - ptr);
    }
    stop = ptr + end;
    shift = loose;
  }
  return end;
}

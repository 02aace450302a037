/** What a process has said, as far back as we keep it. Offsets count bytes from the very beginning. */
export class OutputLog {
  readonly #keptBytesMax: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Offset of the first byte that is kept. */
  #from = 0;

  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** Offset of what comes next. */
  get end(): number {
    return this.#from + this.#bytes;
  }

  append(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes > this.#keptBytesMax) {
      const first = this.#chunks[0];
      if (first === undefined) return;
      const excess = Math.min(first.length, this.#bytes - this.#keptBytesMax);
      if (excess === first.length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(excess);
      this.#bytes -= excess;
      this.#from += excess;
    }
  }

  /**
   * At most `bytesMax` from `offset`, never ending within a character; `next` is where to go on, `dropped` how many bytes
   * before it are not kept any more.
   */
  read(offset: number, bytesMax: number): { text: string; next: number; dropped: number } {
    const from = Math.max(this.#from, Math.min(offset, this.end));
    const kept = Buffer.concat(this.#chunks);
    const start = from - this.#from;
    let end = Math.min(kept.length, start + bytesMax);
    // 10xxxxxx continues a character; at the end of all there is, what is there is all there is.
    if (end < kept.length) while (end > start && ((kept[end] ?? 0) & 0xc0) === 0x80) end -= 1;
    const text = kept.subarray(start, end).toString("utf8");
    return { text, next: this.#from + end, dropped: Math.max(0, from - offset) };
  }

  /** The last bytes, or a few more. */
  tail(bytesMax: number): string {
    let bytes = 0;
    const last: Buffer[] = [];
    for (let at = this.#chunks.length - 1; at >= 0 && bytes < bytesMax; at--) {
      const chunk = this.#chunks[at] ?? Buffer.alloc(0);
      last.unshift(chunk);
      bytes += chunk.length;
    }
    return Buffer.concat(last).subarray(-bytesMax).toString("utf8");
  }
}

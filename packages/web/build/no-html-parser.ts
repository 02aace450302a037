/** Stands for `rehype-raw`, which brings a parser of 200 kB along: a plugin that does nothing. */
// oxlint-disable-next-line import/no-default-export
export default function noHtmlParser(): void {}

import type { ComponentProps, ReactNode } from "react";
import type { StreamdownProps } from "streamdown";
import { CodeBlock } from "./code-block.tsx";

type Components = NonNullable<StreamdownProps["components"]>;

function Link({ href, children }: ComponentProps<"a"> & { node?: unknown }): ReactNode {
  if (!isSafe(href)) return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>
      {children}
    </a>
  );
}

/** Loading it would tell its site who reads this: it is a link until somebody wants it. */
function Image({ src, alt }: ComponentProps<"img"> & { node?: unknown }): ReactNode {
  const text = alt === undefined || alt === "" ? "image" : alt;
  const address = typeof src === "string" ? src : undefined;
  if (!isSafe(address)) return <span className="text-ink-muted">[{text}]</span>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow" title={address}>
      [image: {text}]
    </a>
  );
}

function Code(props: ComponentProps<"code"> & { node?: unknown }): ReactNode {
  const language = /language-([\w+#.-]+)/.exec(props.className ?? "")?.[1] ?? "";
  return <CodeBlock code={textOf(props.children)} language={language} />;
}

function InlineCode({ children }: ComponentProps<"code"> & { node?: unknown }): ReactNode {
  return <code>{children}</code>;
}

/** A wide table scrolls by itself; the page never does. */
function Table({ children }: ComponentProps<"table"> & { node?: unknown }): ReactNode {
  return (
    // Focusable: a region that scrolls must be reachable by the keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <section className="table-scroll" tabIndex={0} aria-label="Table">
      <table>{children}</table>
    </section>
  );
}

export const components: Components = {
  a: Link,
  img: Image,
  code: Code,
  inlineCode: InlineCode,
  table: Table,
  ...Object.fromEntries(
    "h1 h2 h3 h4 h5 h6 ul ol li hr strong blockquote thead tbody tr th td sub sup section"
      .split(" ")
      .map((tag) => [tag, tag]),
  ),
};

function isSafe(address: string | undefined): address is string {
  return address !== undefined && /^(https?:|mailto:)/i.test(address);
}

function textOf(children: ReactNode): string {
  if (typeof children === "string") return children;
  if (Array.isArray(children)) return children.map(textOf).join("");
  return "";
}

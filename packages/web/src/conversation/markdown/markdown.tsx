import { memo } from "react";
import { defaultRehypePlugins, Streamdown, type StreamdownProps } from "streamdown";
import { components } from "./components.tsx";
import { htmlAsText } from "./html-as-text.ts";
import { useMath } from "./math.ts";
import "./markdown.css";

const off = { enabled: false };
const none = {};
/** `raw`, the first of the defaults, would make elements of HTML in the text. */
const { raw: _raw, ...guards } = defaultRehypePlugins;
const rehypePlugins: StreamdownProps["rehypePlugins"] = [htmlAsText, ...Object.values(guards)];

/**
 * What a model wrote, as a document. Nothing in it acts: HTML is shown as text, addresses are reduced to http,
 * https and mailto, and images of other sites are shown as links, so that a message loads nothing from anywhere.
 *
 * While text is `live`, what is still open (a fence, a bold word) is shown as if it were closed. The tree is the same
 * before and after, so that nothing moves when a reply is committed.
 */
export const Markdown = memo(function Markdown({
  text,
  live = false,
}: {
  text: string;
  live?: boolean;
}) {
  const math = useMath(text);
  return (
    <Streamdown
      className="markdown"
      components={components}
      rehypePlugins={rehypePlugins}
      plugins={math.plugin === null ? none : { math: math.plugin }}
      parseIncompleteMarkdown={live}
      isAnimating={live}
      controls={false}
      linkSafety={off}
    >
      {math.text}
    </Streamdown>
  );
});

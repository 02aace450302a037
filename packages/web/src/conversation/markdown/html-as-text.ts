/** The little of an HTML tree that is looked at here. */
interface Node {
  type: string;
  value?: string;
  children?: Node[];
}

/** A rehype plugin: HTML in Markdown is shown as the text that it is. Nothing parses it, so nothing in it can act. */
export function htmlAsText(): (tree: Node) => void {
  return (tree) => visit(tree);
}

function visit(node: Node): void {
  for (const child of node.children ?? []) {
    if (child.type === "raw") child.type = "text";
    visit(child);
  }
}

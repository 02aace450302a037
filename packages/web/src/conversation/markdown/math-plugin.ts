import { createMathPlugin } from "@streamdown/math";
import "katex/dist/katex.min.css";

// A price of $5 is no formula: single dollars stay what they are.
export const plugin = createMathPlugin({ singleDollarTextMath: false, errorColor: "currentColor" });

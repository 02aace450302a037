import { useEffect, useRef, type ReactNode } from "react";
import UPlot, { type AlignedData, type Axis, type Options } from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Chart } from "./charts.ts";
import { onThemeChange, plotColour, resolvedColour } from "./colours.ts";

const heightPx = 150;
const axisPx = 52;
const xAxisPx = 26;
const lineWidthPx = 1.75;

export interface PlotProps {
  chart: Chart;
  /** Seconds before now of each point. */
  seconds: readonly number[];
}

/** A chart as a picture. What it says stands beside it in words. */
export function Plot({ chart, seconds }: PlotProps): ReactNode {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const newest = useRef<PlotProps>({ chart, seconds });
  // It is made anew where other lines are in it, and else only given its values.
  const shape = chart.lines.map(({ label, colour }) => `${label} ${colour}`).join("\n");

  useEffect(() => {
    newest.current = { chart, seconds };
    plot.current?.setData(dataOf(newest.current));
  }, [chart, seconds]);

  useEffect(() => {
    const parent = frame.current;
    if (parent === null) return;
    const draw = (): void => {
      plot.current?.destroy();
      const options = optionsOf(newest.current.chart, parent);
      plot.current = new UPlot(options, dataOf(newest.current), parent);
    };
    draw();
    const resize = new ResizeObserver(() => {
      plot.current?.setSize({ width: parent.clientWidth, height: heightPx });
    });
    resize.observe(parent);
    const off = onThemeChange(draw);
    return () => {
      off();
      resize.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  return (
    <>
      <p className="sr-only">{chart.text}</p>
      <div ref={frame} aria-hidden="true" className="h-[150px] overflow-hidden" />
    </>
  );
}

function dataOf({ chart, seconds }: PlotProps): AlignedData {
  return [[...seconds], ...chart.lines.map(({ values }) => [...values])];
}

function optionsOf({ lines, written, sparse }: Chart, parent: HTMLElement): Options {
  const ink = resolvedColour("var(--color-ink-muted)", parent);
  const grid = { stroke: resolvedColour("var(--color-line)", parent), width: 1 };
  const axis: Axis = {
    stroke: ink,
    grid,
    ticks: { show: false },
    font: "11px Inter Variable, sans-serif",
  };
  return {
    width: parent.clientWidth,
    height: heightPx,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false },
      // From zero, so that a height is an amount; and never flat at the top.
      y: { range: (_plot, _min, max) => [0, Math.max(max ?? 0, 1) * 1.1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: xAxisPx,
        splits: () => [-240, -180, -120, -60, 0],
        values: (_plot, splits) => splits.map(beforeText),
      },
      { ...axis, size: axisPx, space: 36, values: (_plot, splits) => splits.map(written) },
    ],
    series: [
      {},
      ...lines.map(({ label, colour, dashed }) => {
        const stroke = resolvedColour(plotColour(colour), parent);
        return {
          label,
          stroke,
          width: lineWidthPx,
          spanGaps: sparse,
          ...(dashed ? { dash: [4, 4] } : {}),
          points: { show: sparse, size: 4, fill: stroke },
        };
      }),
    ],
  };
}

function beforeText(seconds: number): string {
  return seconds === 0 ? "now" : `−${-seconds / 60} min`;
}

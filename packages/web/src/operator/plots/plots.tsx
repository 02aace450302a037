import type { ReactNode } from "react";
import { chartsOf, secondsBefore, type Chart, type Measured } from "./charts.ts";
import { plotColour } from "./colours.ts";
import { Plot } from "./plot.tsx";

/** What the replicas have done in the last minutes. */
export function Plots({ measured }: { measured: readonly Measured[] }): ReactNode {
  const seconds = secondsBefore(measured);
  return (
    <ul className="grid gap-4 md:grid-cols-2 xl:grid-cols-3">
      {chartsOf(measured).map((chart) => (
        <li key={chart.name} className="min-w-0">
          <ChartCard chart={chart} seconds={seconds} />
        </li>
      ))}
    </ul>
  );
}

function ChartCard({ chart, seconds }: { chart: Chart; seconds: readonly number[] }): ReactNode {
  const { name, now, lines, text } = chart;
  return (
    <figure className="rounded-lg border border-line bg-surface p-4 shadow-card">
      <figcaption className="mb-2 flex items-baseline justify-between gap-3">
        <h3 className="text-sm font-medium">{name}</h3>
        <p className="text-sm whitespace-nowrap text-ink-muted tabular-nums">{now}</p>
      </figcaption>
      {lines.length === 0 ? (
        <p className="grid h-[150px] place-items-center text-center text-sm text-ink-muted">
          {text}
        </p>
      ) : (
        <Plot chart={chart} seconds={seconds} />
      )}
      <Legend chart={chart} />
    </figure>
  );
}

/** The one server that there is needs no name. */
function Legend({ chart: { lines, alwaysNamed } }: { chart: Chart }): ReactNode {
  const named = lines.filter(({ dashed }) => !dashed);
  return (
    <ul className="mt-2 flex min-h-4.5 flex-wrap gap-x-4 gap-y-1 text-xs text-ink-muted">
      {(alwaysNamed || named.length > 1) &&
        named.map(({ label, colour }) => (
          <li key={label} className="flex items-center gap-1.5">
            <span
              aria-hidden="true"
              className="h-0.5 w-3.5 rounded-full"
              style={{ background: plotColour(colour) }}
            />
            {label}
          </li>
        ))}
    </ul>
  );
}

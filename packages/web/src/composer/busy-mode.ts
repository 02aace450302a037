import { useState } from "react";

/** What becomes of a message that is sent while the model works. */
export type BusyMode = "queue" | "steer" | "interrupt";

export const busyModes: readonly { value: BusyMode; label: string; hint: string }[] = [
  { value: "queue", label: "Queue", hint: "Answered when this turn is over" },
  { value: "steer", label: "Steer", hint: "Said into this turn, at its next step" },
  { value: "interrupt", label: "Interrupt", hint: "Stops this turn, keeps what it said" },
];

const storageKey = "parley.busy-mode";

/** The choice, remembered in this browser. */
export function useBusyMode(): [mode: BusyMode, setMode: (mode: BusyMode) => void] {
  const [mode, setMode] = useState<BusyMode>(read);
  return [
    mode,
    (next) => {
      setMode(next);
      try {
        localStorage.setItem(storageKey, next);
      } catch {
        // It lasts as long as the page.
      }
    },
  ];
}

function read(): BusyMode {
  try {
    const value = localStorage.getItem(storageKey);
    return value === "steer" || value === "interrupt" ? value : "queue";
  } catch {
    return "queue";
  }
}

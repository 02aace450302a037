import { RadioGroup } from "radix-ui";
import type { ReactNode } from "react";
import { setTheme, themeOptions, useThemeChoice, type ThemeChoice } from "../theme/theme.ts";
import { Section } from "./section.tsx";

export function AppearanceSection(): ReactNode {
  const theme = useThemeChoice();
  return (
    <Section title="Appearance" text="Kept in this browser.">
      <RadioGroup.Root
        aria-label="Theme"
        value={theme}
        onValueChange={(value) => setTheme(value as ThemeChoice)}
        className="grid max-w-lg grid-cols-3 gap-3"
      >
        {themeOptions.map(({ value, label }) => (
          <RadioGroup.Item
            key={value}
            value={value}
            className="rounded-lg border border-line p-1.5 text-left transition-colors hover:border-line-strong data-[state=checked]:border-accent data-[state=checked]:ring-1 data-[state=checked]:ring-accent"
          >
            <Preview theme={value} />
            <span className="block px-1.5 pt-2 pb-0.5 text-sm font-medium">{label}</span>
          </RadioGroup.Item>
        ))}
      </RadioGroup.Root>
    </Section>
  );
}

/** A small picture of a chat in the theme, drawn with its own tokens. */
function Preview({ theme }: { theme: ThemeChoice }): ReactNode {
  return (
    <span aria-hidden="true" className="flex h-20 overflow-hidden rounded-md border border-line">
      {(theme === "system" ? (["light", "dark"] as const) : [theme]).map((one) => (
        <span
          key={one}
          style={{ colorScheme: one }}
          className="flex flex-1 flex-col justify-end gap-1.5 bg-canvas p-2.5"
        >
          <span className="h-2 w-3/5 self-end rounded-full bg-active" />
          <span className="h-2 w-4/5 rounded-full bg-line-strong" />
          <span className="h-2 w-1/2 rounded-full bg-accent" />
        </span>
      ))}
    </span>
  );
}

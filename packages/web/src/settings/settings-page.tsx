import type { ReactNode } from "react";
import { Page } from "../shell/page.tsx";
import { AboutSection } from "./about-section.tsx";
import { AppearanceSection } from "./appearance-section.tsx";
import { ModelsSection } from "./models-section.tsx";
import { TokensSection } from "./tokens-section.tsx";

export function SettingsPage(): ReactNode {
  return (
    <Page title="Settings">
      <div className="space-y-12">
        <AppearanceSection />
        <ModelsSection />
        <TokensSection />
        <AboutSection />
      </div>
    </Page>
  );
}

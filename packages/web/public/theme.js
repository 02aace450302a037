// The choice that src/theme/theme.ts stores, applied before anything is painted.
try {
  const choice = localStorage.getItem("parley.theme");
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
} catch {
  // No storage: the system's theme.
}

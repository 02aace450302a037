import { useSyncExternalStore } from "react";
import { emptyModelsState, type ModelsState } from "../stores/models-store.ts";
import { useStores } from "./provider.ts";

/** The models that a chat or a message can name. */
export function useModels(): ModelsState {
  const { models } = useStores();
  return useSyncExternalStore(models.subscribe, models.getState, () => emptyModelsState);
}

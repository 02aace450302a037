import { describeBus } from "../../test/bus-suite.ts";
import { InProcessBus } from "./in-process-bus.ts";

const meeting = new Set<InProcessBus>();

describeBus({
  bus: () => new InProcessBus(meeting),
});

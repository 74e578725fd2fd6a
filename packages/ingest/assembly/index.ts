export { publishFrames } from "./publish";
export { scan } from "./scan";

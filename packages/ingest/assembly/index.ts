export { scan } from "./scan";

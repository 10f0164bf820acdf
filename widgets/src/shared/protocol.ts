/** The shapes of PROTOCOL.md. */

export type Kind = "task" | "message" | "code" | "output" | "event" | "note" | "error";

export interface Part {
  mime: "text/plain" | "text/html" | "image/png" | "image/jpeg";
  data: string;
}

export interface Item {
  id: string;
  kind: Kind;
  source?: string;
  label?: string;
  text?: string;
  format?: "markdown" | "plain" | "code";
  language?: string;
  open?: boolean;
  streaming?: boolean;
  parts?: Part[];
  at?: string;
  detail?: string;
}

export type Pause = "pausing" | "paused";

export interface Status {
  state: "running" | "waiting" | "stopping" | "stopped" | "done" | "failed";
  /** Whether the run is held between its turns, or will be once what goes on is finished. */
  pause?: Pause;
  turns?: number;
  tokens?: number | null;
  seconds?: number;
  model?: string;
  team?: string;
  reason?: string;
}

export interface Question {
  id: string;
  source?: string;
  prompt: string;
  choices?: string[];
  /** An answer to begin with. */
  suggestion?: string;
}

export interface Snapshot {
  n: number;
  items: Item[];
  status: Status;
  question: Question | null;
}

export type Op =
  | { op: "add"; item: Item }
  | { op: "text"; id: string; text: string }
  | ({ op: "set"; id: string } & Partial<Item>)
  | { op: "drop"; id: string }
  | { op: "status"; status: Status }
  | { op: "ask"; question: Question }
  | { op: "answered"; id: string; text: string; by: string };

/** Kernel to page. */
export type Down = { t: "ops"; n: number; ops: Op[] } | { t: "ping"; k: number };

/** Page to kernel. */
export type Up =
  | { t: "pong"; k: number }
  | { t: "replay"; since: number }
  | { t: "stop" }
  | { t: "pause" }
  | { t: "resume" }
  | { t: "step" }
  | { t: "answer"; id: string; text: string };

/** Whether the run still goes on, so that its clock runs and it can be stopped. */
export function isLive(status: Status): boolean {
  return status.state === "running" || status.state === "waiting" || status.state === "stopping";
}

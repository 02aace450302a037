/** What one model has used in one chat on one day. */
export interface UsageImage {
  readonly chat_id: string;
  readonly root_chat_id: string;
  readonly owner_id: string;
  readonly day: string;
  readonly model: string;
  readonly total_tokens: number;
  readonly cost_usd_micros: number;
}

/** The worst case of a call in flight. */
export interface ReservationImage {
  readonly chat_id: string;
  readonly root_chat_id: string;
  readonly owner_id: string;
  readonly history_version: number;
  readonly generation_attempt: number;
  readonly usd_micros: number;
  readonly tokens: number;
}

/** Millionths of a US dollar, and tokens; null: any. */
export interface LimitImage {
  readonly usd_micros: number | null;
  readonly tokens: number | null;
}

type Row = Readonly<Record<string, unknown>>;

/** Rows that belong to chats and owners: files that are held, what was used, what is reserved, what may be spent. */
export class Belongings {
  /** `chat file` for each file that a chat refers to. */
  readonly held = new Set<string>();
  readonly usage = new Map<string, UsageImage>();
  readonly reservations = new Map<string, ReservationImage>();
  readonly ownerBudgets = new Map<string, LimitImage>();

  take(table: string, row: Row, gone: boolean): void {
    switch (table) {
      case "chat_files": {
        const name = `${String(row["chat_id"])} ${String(row["file_id"])}`;
        if (gone) this.held.delete(name);
        else this.held.add(name);
        return;
      }
      case "usage_totals": {
        const usage = row as unknown as UsageImage;
        put(this.usage, `${usage.chat_id} ${usage.day} ${usage.model}`, gone ? null : usage);
        return;
      }
      case "spend_reservations": {
        const reservation = row as unknown as ReservationImage;
        put(this.reservations, reservation.chat_id, gone ? null : reservation);
        return;
      }
      case "principals":
        put(
          this.ownerBudgets,
          String(row["id"]),
          gone ? null : (row["budget"] as LimitImage | null),
        );
        return;
      default:
    }
  }

  isHeld(fileId: string): boolean {
    return [...this.held].some((name) => name.endsWith(fileId));
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}

import { nearest } from "./suggest.ts";

/** A value that cannot be used. `suggestion` is the nearest that can. */
export class BadValue extends Error {
  override readonly name = "BadValue";
  readonly suggestion: string | undefined;

  constructor(message: string, suggestion?: string) {
    super(message);
    this.suggestion = suggestion;
  }
}

/** From text to a value, and what the documents say about the text. */
export interface Parser<T> {
  /** "a whole number from 0 to 65535". */
  readonly accepts: string;
  /** @throws BadValue */
  parse(text: string): T;
  /** The text that parses to the value: for documents. */
  format(value: T): string;
}

export function text(accepts: string, pattern: RegExp = /^[^\0\n]+$/): Parser<string> {
  return {
    accepts,
    format: (value) => value,
    parse(value) {
      if (!pattern.test(value)) throw new BadValue(`must be ${accepts}`);
      return value;
    },
  };
}

export function integer(min: number, max: number): Parser<number> {
  const accepts =
    max === Number.MAX_SAFE_INTEGER
      ? `a whole number from ${min}`
      : `a whole number from ${min} to ${max}`;
  return {
    accepts,
    format: String,
    parse(value) {
      const number = Number(value);
      if (!/^[+-]?\d+$/.test(value.trim())) throw new BadValue(`must be ${accepts}`);
      if (number < min) throw new BadValue(`must be ${accepts}`, String(min));
      if (number > max) throw new BadValue(`must be ${accepts}`, String(max));
      return number;
    },
  };
}

/** Given in seconds, fractions allowed; the value is in milliseconds. */
export function seconds(min: number, max: number): Parser<number> {
  const accepts = `seconds, from ${min} to ${max}`;
  return {
    accepts,
    format: (ms) => String(ms / 1000),
    parse(value) {
      if (!/^[+-]?\d+(\.\d+)?$/.test(value.trim())) {
        const number = /^\s*(\d+(?:\.\d+)?)\s*s(ec(onds?)?)?\s*$/.exec(value)?.[1];
        throw new BadValue(`must be ${accepts}`, number);
      }
      const number = Number(value);
      if (number < min) throw new BadValue(`must be ${accepts}`, String(min));
      if (number > max) throw new BadValue(`must be ${accepts}`, String(max));
      return Math.round(number * 1000);
    },
  };
}

const byteUnits: readonly [string, number][] = [
  ["GiB", 1024 ** 3],
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
];

/** Given as a number of bytes or with a unit: 262144, 256KiB, 4MiB. */
export function bytes(min: number, max: number): Parser<number> {
  const accepts = `bytes, or KiB, MiB (from ${formatBytes(min)} to ${formatBytes(max)})`;
  return {
    accepts,
    format: formatBytes,
    parse(value) {
      const match = /^\s*(\d+)\s*(b|[kmg](?:i?b)?)?\s*$/i.exec(value);
      if (match === null) throw new BadValue(`must be ${accepts}`);
      const letter = (match[2] ?? "").charAt(0).toLowerCase();
      const unit = byteUnits.find(([name]) => name.charAt(0).toLowerCase() === letter)?.[1] ?? 1;
      const number = Number(match[1]) * unit;
      if (number < min) throw new BadValue(`must be ${accepts}`, formatBytes(min));
      if (number > max) throw new BadValue(`must be ${accepts}`, formatBytes(max));
      return number;
    },
  };
}

export function formatBytes(value: number): string {
  const unit = byteUnits.find(([, size]) => value >= size && value % size === 0);
  return unit === undefined ? String(value) : `${value / unit[1]}${unit[0]}`;
}

export function oneOf<const T extends string>(...values: readonly T[]): Parser<T> {
  const accepts = `one of ${values.join(", ")}`;
  return {
    accepts,
    format: (value) => value,
    parse(value) {
      const found = values.find((candidate) => candidate === value.trim().toLowerCase());
      if (found === undefined) throw new BadValue(`must be ${accepts}`, nearest(value, values));
      return found;
    },
  };
}

const truths: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "1"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0"].map((word) => [word, false] as const),
]);

export const boolean: Parser<boolean> = {
  accepts: "true or false",
  format: String,
  parse(value) {
    const found = truths.get(value.trim().toLowerCase());
    if (found === undefined) {
      throw new BadValue("must be true or false", nearest(value, ["true", "false"]));
    }
    return found;
  },
};

/** A URL with one of the schemes, without the slash at its end. */
export function url(...schemes: readonly string[]): Parser<string> {
  const shape = schemedText(schemes);
  return {
    ...shape,
    parse(value) {
      const parsed = shape.parse(value);
      if (!URL.canParse(parsed)) throw new BadValue(`must be ${shape.accepts}`);
      return parsed.replace(/\/+$/, "");
    },
  };
}

/** The driver reads more than `URL` does: `postgres://user@/database?host=/run/postgresql`, say. */
export const databaseUrl = schemedText(["postgres", "postgresql"]);

function schemedText(schemes: readonly string[]): Parser<string> {
  const accepts = `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`;
  return {
    accepts,
    format: (value) => value,
    parse(value) {
      const scheme = /^([a-z][a-z0-9+.-]*):\/\/[^\s\0]+$/i.exec(value)?.[1]?.toLowerCase();
      if (scheme !== undefined && schemes.includes(scheme)) return value;
      const suggestion = scheme === undefined ? undefined : nearest(scheme, schemes);
      throw new BadValue(
        `must be ${accepts}`,
        suggestion === undefined ? undefined : `${suggestion}://`,
      );
    },
  };
}

/** Values with commas between them; none is an empty list. */
export function list(item: string, pattern: RegExp, itemsMax: number): Parser<readonly string[]> {
  const accepts = `up to ${itemsMax} of ${item}, with commas between them`;
  return {
    accepts,
    format: (values) => values.join(","),
    parse(value) {
      const values = value.split(",").map((each) => each.trim());
      const given = values.filter((each) => each !== "");
      const fits = given.length <= itemsMax && new Set(given).size === given.length;
      if (!fits || !given.every((each) => pattern.test(each))) {
        throw new BadValue(`must be ${accepts}`);
      }
      return given;
    },
  };
}

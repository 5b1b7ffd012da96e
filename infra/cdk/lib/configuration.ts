/**
 * From settings in camelCase to `triggers.toml`, checked against the same schema.
 *
 * What the schema cannot say (a list that must not be empty, rules that do not go together) the functions check at their start,
 * and `packager` while the app is synthesised.
 */
import Ajv2020, { type ErrorObject } from 'ajv/dist/2020';
import { Token } from 'aws-cdk-lib';
import { stringify, type TomlTable } from 'smol-toml';
import { DEFINITIONS, type JsonSchema, OTHER_TABLES, TABLES } from './facts';
import type { OtherTables, RuleTables } from './rules.generated';

export type Table = Readonly<Record<string, unknown>>;

/** Wrong settings. Says all that is wrong. */
export class ConfigurationError extends Error {
  public constructor(problems: readonly string[]) {
    super(
      problems.length === 1
        ? `${problems[0]}`
        : `${problems.length} settings are wrong:\n${problems.map((one) => `- ${one}`).join('\n')}`,
    );
    this.name = 'ConfigurationError';
  }
}

/** The rules that are on, and the pages behind links in mails. A rule is on when its settings are there, be they `{}`. */
export interface Rules extends RuleTables, OtherTables {}

/** What one pool wants otherwise: its settings are merged over the others. */
export type PoolRules = { readonly [Rule in keyof Rules]?: Partial<Rules[Rule]> };

export interface ConfigurationProps {
  readonly rules: Rules;
  readonly pools?: Readonly<Record<string, PoolRules>>;
  readonly delivery?: 'inline' | 'deferred';
}

const SECTIONS: Readonly<Record<string, JsonSchema>> = { ...TABLES, ...OTHER_TABLES };
/** As Cognito names pools, and triggers.toml with it. */
const POOL_ID = /^[\w-]+_[0-9a-zA-Z]+$/;

const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The content of `triggers.toml`. */
export class Configuration {
  /** Tables by their names, as triggers.toml has them. */
  public readonly tables: Readonly<Record<string, Table>>;
  /** What pools want otherwise. */
  public readonly pools: Readonly<Record<string, Readonly<Record<string, Table>>>>;
  /** When what is staged is delivered. */
  public readonly delivery: 'inline' | 'deferred';

  public constructor(props: ConfigurationProps) {
    const problems: string[] = [];
    const reader = new Reader(problems);
    this.delivery = props.delivery ?? 'inline';
    this.tables = reader.sections(props.rules, 'rules', false);
    this.pools = Object.fromEntries(
      Object.entries(props.pools ?? {}).map(([id, rules]) => {
        if (Token.isUnresolved(id)) {
          problems.push(
            'pools: the id of a pool is written out, e.g. `eu-central-1_AbC123xyz`: what it will be is not known before it is deployed. The settings of a pool of this app stand in `rules`',
          );
        } else if (!POOL_ID.test(id)) {
          problems.push(`pools: \`${id}\` is not the id of a user pool; write it as \`eu-central-1_AbC123xyz\``);
        }
        return [id, reader.sections(rules, `pools['${id}']`, true)];
      }),
    );
    const isAny = [this.tables, ...Object.values(this.pools)].some((tables) =>
      Object.keys(tables).some((name) => name in TABLES),
    );
    if (!isAny && problems.length === 0)
      problems.push('rules: no rule is on; add settings, be they empty: `rules: { signInCount: {} }`');
    if (problems.length > 0) throw new ConfigurationError(problems);
  }

  /** The tables of a section that count somewhere: the base's, and that of each pool with one of its own. Those switched off do not. */
  public of(section: string): Table[] {
    const base = this.tables[section];
    const own = Object.values(this.pools).flatMap((tables) => (tables[section] === undefined ? [] : [tables[section]]));
    const merged = own.map((table) => ({ ...base, ...table }));
    return [...(base === undefined ? [] : [base]), ...merged].filter((table) => table['off'] !== true);
  }

  /** The file. */
  public toml(): string {
    const pools = Object.keys(this.pools).length > 0 ? { pools: this.pools } : {};
    const services = { services: { delivery: this.delivery } };
    return `# Written by the construct CognitoTriggers. Where services are stands in the functions' variables.\n${stringify({ ...services, ...this.tables, ...pools } as TomlTable)}`;
  }
}

/** Reads settings, and collects what is wrong. */
class Reader {
  private readonly ajv = new Ajv2020({
    allErrors: true,
    // An error then says what could have stood there.
    verbose: true,
    strict: false,
    allowUnionTypes: true,
    formats: {
      // As RFC 3339, and TOML with it, has them.
      date: (text) => isTime(`${text}T00:00:00Z`),
      'date-time': (text) => isTime(text),
      uint8: true,
      uint16: true,
      uint32: true,
      uint64: true,
    },
  });

  public constructor(private readonly problems: string[]) {}

  /** @param isPartial whether what is required may be missing, as it is in the tables of a pool */
  public sections(rules: object, at: string, isPartial: boolean): Record<string, Table> {
    const tables: Record<string, Table> = {};
    for (const [name, settings] of Object.entries(rules)) {
      const section = kebab(name);
      const schema = SECTIONS[section];
      const place = `${at}.${name}`;
      if (settings === undefined) continue;
      if (schema === undefined || name.includes('-')) {
        this.problems.push(`${at}: there is no rule \`${name}\`${near(name, Object.keys(SECTIONS).map(camel))}`);
        continue;
      }
      const table = this.translated(settings, schema, place);
      tables[section] = table as Table;
      this.check(table, isPartial ? { ...schema, required: [] } : schema, place);
    }
    return tables;
  }

  /** Keys that the schema names are turned into its spelling; keys that are data (of clients, groups, languages) stay. */
  private translated(value: unknown, schema: JsonSchema | undefined, at: string): unknown {
    if (Token.isUnresolved(value)) {
      this.problems.push(
        `${at}: a rule is written into a layer while the app is synthesised, when a token has no value yet; give the value itself, or for a secret { env: 'NAME' }`,
      );
      return value;
    }
    const here = resolved(schema, value);
    if (Array.isArray(value)) {
      const items = here?.['items'] as JsonSchema | undefined;
      return value.map((item, index) => this.translated(item, items, `${at}[${index}]`));
    }
    if (value === null || typeof value !== 'object' || value instanceof Date) return value;
    const properties = here?.['properties'] as Readonly<Record<string, JsonSchema>> | undefined;
    const rest =
      Object.values((here?.['patternProperties'] as Record<string, JsonSchema> | undefined) ?? {})[0] ??
      here?.['additionalProperties'];
    const entries = Object.entries(value).filter(([, one]) => one !== undefined);
    return Object.fromEntries(
      entries.map(([key, one]) => {
        const name = properties === undefined ? key : key.includes('-') ? key : kebab(key);
        const under = properties?.[name] ?? (typeof rest === 'object' ? (rest as JsonSchema) : undefined);
        return [name, this.translated(one, under, `${at}.${key}`)];
      }),
    );
  }

  private check(table: unknown, schema: JsonSchema, at: string): void {
    const validate = this.ajv.compile({ ...schema, $defs: DEFINITIONS });
    if (validate(table)) return;
    const errors = validate.errors ?? [];
    // Of a value that may be one of several, only that it is none of them says anything.
    const deep = errors.filter(
      (error) =>
        error.keyword !== 'const' &&
        !(
          error.keyword === 'type' &&
          errors.some((other) => isChoice(other) && other.instancePath === error.instancePath)
        ),
    );
    const seen = new Set<string>();
    for (const error of deep.length > 0 ? deep : errors) {
      const problem = told(error, schema, at);
      if (!seen.has(problem)) this.problems.push(problem);
      seen.add(problem);
    }
  }
}

const isChoice = (error: ErrorObject) => error.keyword === 'oneOf' || error.keyword === 'anyOf';

function told(error: ErrorObject, schema: JsonSchema, at: string): string {
  const steps = error.instancePath.split('/').slice(1);
  const place =
    at +
    steps
      .map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${camel(step.replace(/~1/g, '/').replace(/~0/g, '~'))}`))
      .join('');
  const parameters = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(parameters['additionalProperty']);
      const known =
        steps.length === 0 ? Object.keys((schema['properties'] as object | undefined) ?? {}).map(camel) : [];
      return `${place}: there is no setting \`${camel(key)}\`${near(camel(key), known)}`;
    }
    case 'required':
      return `${place}: \`${camel(String(parameters['missingProperty']))}\` is missing`;
    case 'enum':
      return `${place}: this is none of ${(parameters['allowedValues'] as unknown[]).map((one) => `'${one}'`).join(', ')}`;
    case 'oneOf':
    case 'anyOf': {
      const choices = choicesAt(error);
      return choices.length > 0
        ? `${place}: this is none of ${choices.join(', ')}`
        : `${place}: this is nothing that can stand here`;
    }
    default:
      return `${place}: ${error.message ?? 'is wrong'}`;
  }
}

/** The texts one of which is meant, as far as the schema lists them. */
function choicesAt(error: ErrorObject): string[] {
  const several = (error.schema as readonly JsonSchema[] | undefined) ?? [];
  return Array.isArray(several)
    ? several.flatMap((one) => (one['const'] === undefined ? [] : [`'${String(one['const'])}'`]))
    : [];
}

/** The schema that a value is read by. Of several it may be one of, the one for values of its kind. */
function resolved(schema: JsonSchema | undefined, value: unknown): JsonSchema | undefined {
  if (schema === undefined) return undefined;
  const name = schema['$ref'];
  if (typeof name === 'string') return resolved(DEFINITIONS[name.replace('#/$defs/', '')], value);
  const several = (schema['anyOf'] ?? schema['oneOf']) as readonly JsonSchema[] | undefined;
  if (several === undefined) return schema;
  const kind = Array.isArray(value) ? 'array' : typeof value;
  return several.map((one) => resolved(one, value)).find((one) => [one?.['type']].flat().includes(kind)) ?? schema;
}

function isTime(text: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/.test(text) &&
    !Number.isNaN(Date.parse(text))
  );
}

/** `; did you mean ..?` if one of them is alike. */
function near(wanted: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, steps: distance(wanted.toLowerCase(), name.toLowerCase()) }))
    .sort((one, other) => one.steps - other.steps);
  return best !== undefined && best.steps <= Math.max(2, wanted.length / 3) ? `; did you mean \`${best.name}\`?` : '';
}

/** How many letters have to be changed (Levenshtein). */
function distance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...one].entries()) {
    const line = [row + 1];
    for (const [column, counterpart] of [...other].entries()) {
      const replaced = (above[column] ?? 0) + (letter === counterpart ? 0 : 1);
      line.push(Math.min(replaced, (above[column + 1] ?? 0) + 1, (line[column] ?? 0) + 1));
    }
    above = line;
  }
  return above[other.length] ?? 0;
}

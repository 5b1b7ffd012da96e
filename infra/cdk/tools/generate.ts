/**
 * Writes what the library knows of rules: their settings as types (`rules.generated.ts`), and as data what `triggers.toml` may
 * hold and what rules need of AWS (`facts.generated.ts`). Both come from the files the Rust code writes itself.
 *
 *     node dist/tools/generate.js <triggers.schema.json> <grants.json> <folder>
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Schema {
  readonly $defs?: Record<string, Schema>;
  readonly $ref?: string;
  readonly additionalProperties?: boolean | Schema;
  readonly anyOf?: readonly Schema[];
  readonly const?: string | boolean;
  readonly default?: unknown;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly patternProperties?: Record<string, Schema>;
  readonly properties?: Record<string, Schema>;
  readonly required?: readonly string[];
  readonly type?: string | readonly string[];
}

/** What the construct writes by itself. */
const NOT_SET = ['$schema', 'services', 'pools'];
const HEAD = '// Written by tools/generate.ts: infra/cdk/test/run generate. Not to be changed by hand.\n';

const pascal = (name: string) => name.replace(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
/** `.. sends.` and no blank line, however the source breaks it. */
const sentence = (text: string) => text.replace(/\s+/g, ' ').replace(/\*\//g, '* /').trim();

/** In lines of a width that is read with ease. */
function wrapped(text: string): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last.length + word.length > 110) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

class Types {
  private readonly made = new Map<string, string>();

  constructor(private readonly defs: Record<string, Schema>) {}

  /** The interface of a table, after those it uses. */
  public table(section: string, schema: Schema): string {
    this.make(pascal(section), schema, `\`[${section}]\``);
    const text = [...this.made.values()].join('\n');
    this.made.clear();
    return text;
  }

  private make(name: string, schema: Schema, description: string): void {
    const required = new Set(schema.required ?? []);
    const lines = Object.entries(schema.properties ?? {}).map(([key, value]) => {
      const optional = required.has(key) ? '' : '?';
      return `${this.comment(value)}  readonly ${camel(key)}${optional}: ${this.type(name, value)};\n`;
    });
    this.made.set(name, `/** ${description} */\nexport interface ${name} {\n${lines.join('\n')}}\n`);
  }

  private comment(schema: Schema): string {
    const about = sentence(schema.description ?? '');
    // `null` is how the schema says that a key may be left out.
    const isTold = schema.default !== undefined && schema.default !== null;
    const lines = [...wrapped(about), ...(isTold ? ['', `@default ${sentence(JSON.stringify(schema.default))}`] : [])];
    return lines.length === 1
      ? `  /** ${lines[0]} */\n`
      : `  /**\n${lines.map((line) => `   * ${line}`.trimEnd()).join('\n')}\n   */\n`;
  }

  private type(within: string, schema: Schema): string {
    if (schema.$ref !== undefined) {
      const name = schema.$ref.replace('#/$defs/', '');
      const target = this.defs[name];
      if (target === undefined) throw new Error(`the schema has no ${name}`);
      if (target.properties === undefined) return this.type(within, target);
      const own = name === 'Variable' ? 'Variable' : `${within}${name}`;
      if (own !== 'Variable') this.make(own, target, sentence(target.description ?? ''));
      return own;
    }
    const several = schema.oneOf ?? schema.anyOf;
    if (several !== undefined && schema.type === undefined) {
      const types = several.filter((one) => one.type !== 'null').map((one) => this.type(within, one));
      return [...new Set(types)].join(' | ');
    }
    if (schema.const !== undefined)
      return typeof schema.const === 'string' ? `'${schema.const}'` : JSON.stringify(schema.const);
    if (schema.enum !== undefined) return schema.enum.map((text) => `'${text}'`).join(' | ');
    const type = [schema.type ?? []].flat().find((one) => one !== 'null');
    switch (type) {
      case 'string':
        return 'string';
      case 'boolean':
        return 'boolean';
      case 'integer':
      case 'number':
        return 'number';
      case 'array': {
        const item = this.type(within, schema.items ?? {});
        return item.includes('|') ? `readonly (${item})[]` : `readonly ${item}[]`;
      }
      case 'object': {
        const [value] = Object.values(schema.patternProperties ?? {});
        const of = value ?? schema.additionalProperties;
        if (typeof of === 'object') return `Readonly<Record<string, ${this.type(within, of)}>>`;
      }
    }
    throw new Error(`no type is known for ${JSON.stringify(schema)}`);
  }
}

/** Tables of `triggers.toml`: those of rules, and those of functions without rules. */
interface Sections {
  readonly rules: readonly string[];
  readonly others: readonly string[];
}

function types(schema: Schema, { rules, others }: Sections): string {
  const of = new Types(schema.$defs ?? {});
  const tables = [...rules, ...others].map((section) => of.table(section, schema.properties?.[section] ?? {}));
  const fields = (sections: readonly string[]) =>
    sections
      .map((section) => `  /** \`[${section}]\` */\n  readonly ${camel(section)}?: ${pascal(section)};\n`)
      .join('');
  return [
    HEAD,
    '/** Where a secret is: the name of an environment variable of the function. */',
    'export interface Variable {\n  readonly env: string;\n}\n',
    ...tables,
    '/** The rules that are on, with their settings. */',
    `export interface RuleTables {\n${fields(rules)}}\n`,
    '/** Settings of functions without rules. */',
    `export interface OtherTables {\n${fields(others)}}\n`,
  ].join('\n');
}

/** Without what only people read. */
function bare(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(bare);
  if (schema === null || typeof schema !== 'object') return schema;
  const kept = Object.entries(schema).filter(([key, value]) => {
    return !(key === 'description' && typeof value === 'string') && !['examples', 'title', 'default'].includes(key);
  });
  return Object.fromEntries(kept.map(([key, value]) => [key, key === 'properties' ? each(value) : bare(value)]));
}

/** Keys of tables are no words of the schema. */
const each = (tables: object) => Object.fromEntries(Object.entries(tables).map(([key, value]) => [key, bare(value)]));

const lines = (table: object) =>
  Object.entries(table)
    .map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`)
    .join('');

function facts(schema: Schema, grants: Grants, sections: Sections): string {
  const tables = (of: readonly string[]) =>
    Object.fromEntries(of.map((section) => [section, bare(schema.properties?.[section])]));
  const rules = Object.fromEntries(Object.entries(grants.rules).filter(([, of]) => of.length > 0));
  // What the functions without rules do themselves. Their rules' part depends on the rules' settings.
  const own = (name: string) =>
    (grants.functions[name] ?? []).filter(({ rule }) => rule === undefined || rule === 'links');
  const jobs = Object.fromEntries(['courier', 'links', 'session-release'].map((name) => [name, own(name)]));
  return [
    HEAD,
    "import type { Grant, JsonSchema } from './facts';\n",
    '/** What may stand in the table of each rule. */',
    `export const TABLES: Readonly<Record<string, JsonSchema>> = {\n${lines(tables(sections.rules))}};\n`,
    '/** What may stand in the tables of functions without rules. */',
    `export const OTHER_TABLES: Readonly<Record<string, JsonSchema>> = {\n${lines(tables(sections.others))}};\n`,
    `export const DEFINITIONS: Readonly<Record<string, JsonSchema>> = {\n${lines(each(schema.$defs ?? {}))}};\n`,
    '/** What rules need of AWS. */',
    `export const OF_RULES: Readonly<Record<string, readonly Grant[]>> = {\n${lines(rules)}};\n`,
    '/** What functions without rules need. */',
    `export const OF_JOBS: Readonly<Record<string, readonly Grant[]>> = {\n${lines(jobs)}};\n`,
  ].join('\n');
}

interface Grants {
  readonly rules: Record<string, readonly object[]>;
  readonly functions: Record<string, readonly { readonly rule?: string }[]>;
}

function main([schemaFile, grantsFile, folder]: string[]): void {
  if (schemaFile === undefined || grantsFile === undefined || folder === undefined) {
    throw new Error('name the schema, the grants and the folder to write to');
  }
  const schema = JSON.parse(readFileSync(schemaFile, 'utf8')) as Schema;
  const grants = JSON.parse(readFileSync(grantsFile, 'utf8')) as Grants;
  const set = Object.keys(schema.properties ?? {}).filter((section) => !NOT_SET.includes(section));
  const isRule = (section: string) => grants.rules[section] !== undefined;
  const sections = { rules: set.filter(isRule), others: set.filter((section) => !isRule(section)) };
  writeFileSync(join(folder, 'rules.generated.ts'), types(schema, sections));
  writeFileSync(join(folder, 'facts.generated.ts'), facts(schema, grants, sections));
}

main(process.argv.slice(2));

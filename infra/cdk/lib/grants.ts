/** What a role needs with given settings: the declarations of rules and functions, taken as their tables are. */
import type { Configuration, Table } from './configuration';
import { type Grant, OF_JOBS, OF_RULES, type Resource, type When } from './facts';
import { asked, type Trigger } from './triggers';

/** A grant that is needed, with the table that says so. */
export interface Granted {
  readonly rule: string;
  readonly actions: readonly string[];
  readonly resource: Resource;
  readonly table: Table;
}

/** Functions without rules. */
export type Job = 'courier' | 'links' | 'session-release';

/** Of the function with the rules of these triggers, or with all. */
export function grantsOf(configuration: Configuration, trigger?: Trigger): Granted[] {
  if (trigger === undefined) return ofRules(configuration, 'function');
  const chain = asked(configuration).get(trigger) ?? new Map<string, Table[]>();
  return [...chain].flatMap(([rule, tables]) =>
    tables.flatMap((table) =>
      ofTable(rule, table, configuration, (grant) => grant.by === 'function' && isAt(trigger, grant)),
    ),
  );
}

/** Of a function without rules. The courier carries out what rules stage. */
export function grantsOfJob(configuration: Configuration, job: Job): Granted[] {
  const own = (OF_JOBS[job] ?? []).flatMap((grant) => {
    const tables = configuration.of('links');
    const held = (grant.rule === undefined ? [{}] : tables.length > 0 ? tables : [{}]).filter((table) =>
      holds(grant, table, configuration),
    );
    return held.map((table) => granted(grant.rule ?? job, grant, table));
  });
  return job === 'courier' ? [...own, ...ofRules(configuration, 'courier')] : own;
}

/** Whether a rule has something the courier delivers. */
export function isDelivering(configuration: Configuration): boolean {
  return ofRules(configuration, 'courier').length > 0;
}

function ofRules(configuration: Configuration, by: string): Granted[] {
  return Object.keys(OF_RULES).flatMap((rule) =>
    configuration.of(rule).flatMap((table) => ofTable(rule, table, configuration, (grant) => grant.by === by)),
  );
}

function ofTable(rule: string, table: Table, configuration: Configuration, is: (grant: Grant) => boolean): Granted[] {
  const needed = (OF_RULES[rule] ?? []).filter((grant) => is(grant) && holds(grant, table, configuration));
  return needed.map((grant) => granted(rule, grant, table));
}

const granted = (rule: string, grant: Grant, table: Table): Granted => ({
  rule,
  actions: grant.actions,
  resource: grant.resource as Resource,
  table,
});

/** Whether it is needed at this trigger, if the rule is asked there. */
const isAt = (trigger: Trigger, grant: Grant) => grant.at.length === 0 || grant.at.includes(trigger);

const holds = (grant: Grant, table: Table, configuration: Configuration) =>
  grant.when.every((when) => isSo(when, table, configuration));

function isSo(when: When, table: Table, configuration: Configuration): boolean {
  const { key, test } = when;
  const value = table[key];
  if (value === undefined) {
    if (key !== 'delivery') return when['by-default'];
    return typeof test === 'object' && 'is' in test && test.is === configuration.delivery;
  }
  if (typeof test === 'object') {
    return 'is' in test ? value === test.is : Array.isArray(value) && value.includes(test.lists);
  }
  switch (test) {
    case 'set':
      return true;
    case 'on':
      return value === true;
    case 'not-zero':
      return typeof value === 'number' && value !== 0;
    case 'filled':
      return (
        typeof value === 'string' || (typeof value === 'object' && value !== null && Object.keys(value).length > 0)
      );
    default:
      throw new Error(`a grant of this version depends on \`${test}\`, which this library does not know; update it`);
  }
}

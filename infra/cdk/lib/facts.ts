/** What the Rust code says of its rules, as far as a deployment has to know it. */
export { DEFINITIONS, OF_JOBS, OF_RULES, OTHER_TABLES, TABLES } from './facts.generated';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Kinds of resources, as infra/grants.json names them. */
export type Resource =
  | 'ledger-table'
  | 'ledger-index'
  | 'user-pool'
  | 'sender-identity'
  | 'configuration-set'
  | 'user-objects'
  | 'template-objects'
  | 'bucket'
  | 'event-bus';

export type Test = string | { readonly is: string } | { readonly lists: string };

/** A key of the rule's table that has to be set in some way. */
export interface When {
  readonly key: string;
  readonly test: Test;
  /** Whether a table without the key counts as one with it. */
  readonly 'by-default': boolean;
}

/** Actions a role is allowed on a kind of resource. */
export interface Grant {
  readonly actions: readonly string[];
  readonly resource: string;
  /** Whose role it is: the function's with the rule, or the courier's. */
  readonly by?: string;
  /** The triggers at which a rule needs it; empty: all it is asked at. */
  readonly at: readonly string[];
  /** The table that `when` is about, where it is not the rule's own. */
  readonly rule?: string;
  readonly when: readonly When[];
}

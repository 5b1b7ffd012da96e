/** Which triggers ask which rules, as each rule's `attach` in the Rust code has it. A test compares both. */
import type { Configuration, Table } from './configuration';

/** A trigger of a user pool, as `TRIGGERS_ONLY` names it. */
export type Trigger =
  | 'PreSignUp'
  | 'PostConfirmation'
  | 'PreAuthentication'
  | 'PostAuthentication'
  | 'PreTokenGeneration'
  | 'CustomMessage'
  | 'UserMigration'
  | 'InboundFederation';

/** Those a function is attached to when a rule is asked there. The other two change what a pool does: see `moreTriggers`. */
export const USUAL: readonly Trigger[] = [
  'PreSignUp',
  'PostConfirmation',
  'PreAuthentication',
  'PostAuthentication',
  'PreTokenGeneration',
  'CustomMessage',
];

const isOn = (table: Table, key: string, usually: boolean) => (typeof table[key] === 'boolean' ? table[key] : usually);

const newcomers = (table: Table): Trigger[] => [
  'PostConfirmation',
  ...(isOn(table, 'at-sign-in', true) ? (['PostAuthentication'] as const) : []),
];

const ASKED: Readonly<Record<string, (table: Table) => Trigger[]>> = {
  maintenance: () => [
    'PreSignUp',
    'PreAuthentication',
    'PostAuthentication',
    'PreTokenGeneration',
    'UserMigration',
    'InboundFederation',
  ],
  'domain-allow-list': (table) => [
    'PreSignUp',
    ...(isOn(table, 'at-sign-in', false) ? (['PostAuthentication'] as const) : []),
  ],
  'access-code': (table) => ['PreSignUp', ...(isOn(table, 'invitations', true) ? (['PostConfirmation'] as const) : [])],
  'unique-nickname': (table) => ['PreSignUp', ...newcomers(table)],
  'password-age': (table) => [
    'PostConfirmation',
    'PostAuthentication',
    'PreTokenGeneration',
    ...(isOn(table, 'early', false) ? (['PreAuthentication'] as const) : []),
  ],
  'session-limit': (table) => [
    'PostAuthentication',
    'PostConfirmation',
    ...(isOn(table, 'early', false) ? (['PreAuthentication'] as const) : []),
    // Claims and groups, which renewals look at as well, need the same.
    ...(table['keep'] === 'at-sign-in' ? [] : (['PreTokenGeneration'] as const)),
  ],
  's3-provisioning': newcomers,
  'welcome-email': newcomers,
  'admin-notice': newcomers,
  'user-events': (table) => {
    const tells = (event: string) => !Array.isArray(table['events']) || table['events'].includes(event);
    const atSignIn = (tells('user.confirmed') && isOn(table, 'at-sign-in', true)) || tells('user.signed_in');
    return [
      'PostConfirmation',
      ...(atSignIn ? (['PostAuthentication'] as const) : []),
      ...(tells('user.password_changed') ? (['PreTokenGeneration'] as const) : []),
    ];
  },
  'sign-in-count': () => ['PostConfirmation', 'PostAuthentication'],
  'sign-in-alert': () => ['PostAuthentication'],
  'win-back': () => ['PostConfirmation', 'PostAuthentication'],
  'templated-message': () => ['CustomMessage'],
};

/** The rules that are on and those of their tables that are, by trigger. */
export function asked(configuration: Configuration): Map<Trigger, Map<string, Table[]>> {
  const chains = new Map<Trigger, Map<string, Table[]>>();
  for (const [rule, triggers] of Object.entries(ASKED)) {
    for (const table of configuration.of(rule)) {
      for (const trigger of triggers(table)) {
        const chain = chains.get(trigger) ?? new Map<string, Table[]>();
        chain.set(rule, [...(chain.get(rule) ?? []), table]);
        chains.set(trigger, chain);
      }
    }
  }
  return chains;
}

/** Every rule there is here. */
export const KNOWN: readonly string[] = Object.keys(ASKED);

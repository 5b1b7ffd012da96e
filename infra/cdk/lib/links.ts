/** The table `[links]`, which is no rule's: it belongs to the function behind links in mails. */
import type { JsonSchema } from './facts';
import type { RuleTables } from './rules.generated';

export interface Links {
  /** Who is told that a user took back a sign-in ("this was not me"): a mailbox or up to 50. Left out, nobody. */
  readonly administrators?: string | readonly string[];
  /** Who that mail is from. Left out, whom the mailer names. */
  readonly from?: string;
  /** What stands above the pages, at most 60 characters. */
  readonly productName?: string;
  /**
   * The language of that mail, and of pages for browsers that ask for none of theirs.
   *
   * @default "en"
   */
  readonly locale?: string;
}

export const LINKS: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    administrators: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, maxItems: 50 }] },
    from: { type: 'string' },
    'product-name': { type: 'string', maxLength: 60 },
    locale: { type: 'string', pattern: '^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$' },
  },
};

/** The rules that are on, and the pages behind links in mails. A rule is on when its settings are there, be they `{}`. */
export interface Rules extends RuleTables {
  /** `[links]` */
  readonly links?: Links;
}

/** What one pool wants otherwise: its settings are merged over the others. */
export type PoolRules = { readonly [Rule in keyof Rules]?: Partial<Rules[Rule]> };

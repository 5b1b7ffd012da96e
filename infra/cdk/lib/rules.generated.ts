// Written by tools/generate.ts: infra/cdk/test/run generate. Not to be changed by hand.

/** Where a secret is: the name of an environment variable of the function. */
export interface Variable {
  readonly env: string;
}

/** `[access-code]` */
export interface AccessCode {
  /**
   * Whether users an administrator creates need a code.
   *
   * @default false
   */
  readonly adminCreated?: boolean;

  /**
   * Whether users of the pool choose their user names. Set it where they do and several may share an address: then
   * a name in the form of a UUID, which elsewhere Cognito makes up anew at every try, tells applicants apart as any
   * other does.
   *
   * @default false
   */
  readonly chosenUserNames?: boolean;

  /** Codes that let anybody in, any number of times. Upper and lower case differ. */
  readonly codes?: readonly (string | Variable)[];

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * Whether users of other providers need a code at their first sign-in. They have no way to send one in the
   * managed login.
   *
   * @default false
   */
  readonly federated?: boolean;

  /**
   * Under which name the application sends the code.
   *
   * @default "accessCode"
   */
  readonly field?: string;

  /**
   * Whether counted invitations are accepted. They are held in the ledger.
   *
   * @default true
   */
  readonly invitations?: boolean;

  /**
   * What somebody without a code reads.
   *
   * @default "Please enter your access code"
   */
  readonly message?: string;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "deny"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * How long a use is kept for somebody who signed up and is not confirmed yet, in minutes: 1 to 43200 (30 days).
   *
   * @default 60
   */
  readonly reservationMinutes?: number;

  /**
   * Whether users who sign up themselves need a code.
   *
   * @default true
   */
  readonly selfSignUp?: boolean;
}

/** `[admin-notice]` */
export interface AdminNotice {
  /**
   * Whether users who were not heard of before are announced at a sign-in. Costs one read of the ledger per
   * sign-in.
   *
   * @default true
   */
  readonly atSignIn?: boolean;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /** Whether users are announced one by one or together. */
  readonly digest?: 'off' | 'hour' | 'day';

  /** Who the mail is from. Left out, whom the mailer names. */
  readonly from?: string;

  /**
   * The language of the mail. The language of the user makes no difference.
   *
   * @default "en"
   */
  readonly locale?: string;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "continue"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * Announces at a sign-in only users created at this time or later: a date, in UTC, or a time with its offset.
   * Left out, everybody who was not heard of before counts as new. Needs a directory.
   */
  readonly onboardSince?: string;

  /** Where answers go, one mailbox or several. Left out, where the mailer says. */
  readonly replyTo?: string | readonly string[];

  /**
   * The template, named by its folder.
   *
   * @default "admin-notice"
   */
  readonly template?: string;

  /** Who is told, one mailbox or up to 50. Everybody sees who else is. */
  readonly to: string | readonly string[];
}

/** `[domain-allow-list]` */
export interface DomainAllowList {
  /**
   * Whether users an administrator creates are checked.
   *
   * @default true
   */
  readonly adminCreated?: boolean;

  /** Domains that may sign up. Without this list everything may that is not denied. */
  readonly allow?: readonly string[];

  /**
   * Whether everybody is checked again at each sign-in: users can change their address later.
   *
   * @default false
   */
  readonly atSignIn?: boolean;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /** Domains that may not, even if they are allowed. */
  readonly deny?: readonly string[];

  /**
   * Whether users of other providers are checked at their first sign-in.
   *
   * @default true
   */
  readonly federated?: boolean;

  /**
   * What a refused user reads.
   *
   * @default "Sign-up is not open to this e-mail address"
   */
  readonly message?: string;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "deny"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * Whether users who sign up themselves are checked.
   *
   * @default true
   */
  readonly selfSignUp?: boolean;

  /**
   * Whether a user name that is an address counts where there is no `email`. Switch it off where users choose their
   * names: nobody proves to own an address that is only a name.
   *
   * @default true
   */
  readonly userName?: boolean;
}

/** A time at which nobody gets in. */
export interface MaintenanceWindow {
  /** The app clients it is for, by their ids. Left out, it is for the whole pool. */
  readonly clients?: readonly string[];

  /** From when on, that moment included: a time with its offset, e.g. 2026-12-24T22:00:00+01:00. */
  readonly from: string;

  /** What users read, instead of the table's own text. */
  readonly message?: string;

  /** The same for users of other languages, e.g. `{ de = ".." }`. */
  readonly messages?: Readonly<Record<string, string>>;

  /** Until when, that moment not included: a time with its offset. */
  readonly until: string;
}

/** `[maintenance]` */
export interface Maintenance {
  /**
   * Whether administrators cannot create users either.
   *
   * @default false
   */
  readonly adminCreated?: boolean;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * The app clients by which everybody gets in all the same, by their ids.
   *
   * @default []
   */
  readonly exemptClients?: readonly string[];

  /**
   * Who gets in all the same, by their groups as of the last token. Needs a ledger.
   *
   * @default []
   */
  readonly exemptGroups?: readonly string[];

  /**
   * Who gets in all the same, by the user names as the pool has them.
   *
   * @default []
   */
  readonly exemptUsers?: readonly string[];

  /**
   * Whether those are refused, too, who forgot their password before they were migrated. Users of the pool cannot
   * be, so this tells strangers who is none yet.
   *
   * @default false
   */
  readonly forgottenPassword?: boolean;

  /**
   * The language of every `message`, and of users whose attribute `locale` names none.
   *
   * @default "en"
   */
  readonly locale?: string;

  /**
   * What users read who have no text in their language. `{until}` stands for the end, and what stands in square
   * brackets is left out where there is none.
   */
  readonly message?: string;

  /** The same for users of other languages, by the attribute `locale`, e.g. `{ de = ".." }`. */
  readonly messages?: Readonly<Record<string, string>>;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "deny"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * Whether nobody gets tokens by a refresh either, and no machine gets any.
   *
   * @default false
   */
  readonly refresh?: boolean;

  /**
   * Whether `poolctl maintenance on` closes, too, at once. Needs a ledger.
   *
   * @default true
   */
  readonly switch?: boolean;

  /** When nobody gets in. */
  readonly windows?: readonly MaintenanceWindow[];

  /** The zone of times for users whose attribute `zoneinfo` names none, e.g. `Europe/Vienna`. Left out, it is UTC. */
  readonly zone?: string;
}

/** `[password-age]` */
export interface PasswordAge {
  /**
   * What is done with an expired password, once it was proven.
   *
   * @default "deny"
   */
  readonly action?: 'deny' | 'reset';

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * Whether an expired password is refused before it was proven as well, in `PreAuthentication`. Anybody who knows
   * a name can then find out whether its password expired. Not together with a reset.
   *
   * @default false
   */
  readonly early?: boolean;

  /**
   * App clients where the age of passwords makes no difference, by their ids: those where users sign in without
   * one.
   *
   * @default []
   */
  readonly exemptClients?: readonly string[];

  /** Who the warning is from. Left out, whom the mailer names. */
  readonly from?: string;

  /**
   * How many days a user has whose password is of unknown age, from the first sign-in that was seen, 0 to 3650.
   * With 0 no such password gets in.
   *
   * @default 14
   */
  readonly graceDays?: number;

  /**
   * Users with a password in the pool who may sign in at another provider as well: no event tells which of the two
   * they did.
   *
   * @default "check"
   */
  readonly linkedUsers?: 'check' | 'exempt';

  /**
   * The language of users whose own is not known, or not among those of the template.
   *
   * @default "en"
   */
  readonly locale?: string;

  /** How many days a password lasts, 1 to 3650. */
  readonly maxDays: number;

  /** What a user reads whose password expired. Left out, a sentence that says what to do. */
  readonly message?: string;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "deny"
   */
  readonly onFault?: 'deny' | 'continue';

  /** Where answers go, one mailbox or several. Left out, where the mailer says. */
  readonly replyTo?: string | readonly string[];

  /**
   * The template of the warning, named by its folder.
   *
   * @default "password-warning"
   */
  readonly template?: string;

  /**
   * How many days before it expires a mail says so, fewer than `max-days`. 0 sends none.
   *
   * @default 7
   */
  readonly warnDays?: number;

  /** The time zone of users whose attribute `zoneinfo` names none, by its name in the tz database. Left out, UTC. */
  readonly zone?: string;
}

/** `[s3-provisioning]` */
export interface S3Provisioning {
  /**
   * Whether users who were not heard of before are provided for at a sign-in. Costs one read of the ledger per
   * sign-in.
   *
   * @default true
   */
  readonly atSignIn?: boolean;

  /**
   * The attributes that files may be filled with, beside `sub`. Left out, all. What is not named here is not kept
   * until the files are put.
   */
  readonly attributes?: readonly string[];

  /**
   * What the keys of the objects begin with that every user gets a copy of, e.g. `templates/new-user/`: at most 100
   * objects of the same bucket. Nothing in them is filled.
   */
  readonly copyFrom?: string;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * A folder beside `triggers.toml` that is shipped with the function, e.g. `provision/`: at most 100 files.
   * Placeholders in text files and names are filled for each user.
   */
  readonly files?: string;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "continue"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * Provides at a sign-in only for users created at this time or later: a date, in UTC, or a time with its offset.
   * Left out, everybody who was not heard of before counts as new. Needs a directory.
   */
  readonly onboardSince?: string;

  /**
   * What the keys of a user's files begin with. `{{ sub }}` stands for the user and has to be there, `{{ pool }}`
   * for the id of the pool.
   */
  readonly prefix?: string;
}

/** What is different at one app client. */
export interface SessionLimitClient {
  /** How long its refresh tokens live, in days: 1 to 3650. */
  readonly refreshTokenDays?: number;

  /** The same in minutes instead: 60 to 5256000. */
  readonly refreshTokenMinutes?: number;
}

/** `[session-limit]` */
export interface SessionLimit {
  /**
   * The claim that carries the session's id, in the ID token and, from version 2 of the trigger on, in the access
   * token. Left out, there is none.
   */
  readonly claim?: string;

  /** What is different at an app client, by its id. */
  readonly clients?: Readonly<Record<string, SessionLimitClient>>;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * Whether a sign-in beyond the limit is refused before the password as well, in `PreAuthentication`, which saves
   * the user typing codes in vain. Anybody who knows a user's name can then find out whether that user is signed in
   * as often as may be, without the password. Not together with signing others out.
   *
   * @default false
   */
  readonly early?: boolean;

  /**
   * App clients at which sessions are neither limited nor counted, by their ids.
   *
   * @default []
   */
  readonly exemptClients?: readonly string[];

  /**
   * When a session counts for good: when tokens are made, or at the sign-in, for pools that do not call the
   * function when tokens are made.
   */
  readonly keep?: 'with-tokens' | 'at-sign-in';

  /** How many sessions a user may have at a time, 1 to 100. */
  readonly max: number;

  /**
   * How many users of a group may have instead, 1 to 100. Of several groups that are named here, the largest
   * counts. Groups are those of the user's last token.
   *
   * @default {}
   */
  readonly maxByGroup?: Readonly<Record<string, number>>;

  /**
   * What a user reads who is signed in as often as may be.
   *
   * @default "You are signed in on too many devices. Please sign out on one of them first"
   */
  readonly message?: string;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "deny"
   */
  readonly onFault?: 'deny' | 'continue';

  /** What is counted together: all sessions of a user, or those at each app client. */
  readonly per?: 'user' | 'client';

  /** What happens to a sign-in beyond the limit: it is refused, or the user is signed out everywhere else. */
  readonly policy?: 'deny' | 'sign-out-others';

  /**
   * How long refresh tokens live, in days, as it is set for the app clients: 1 to 3650. Left out, 30, as in
   * Cognito.
   */
  readonly refreshTokenDays?: number;

  /** The same in minutes instead: 60 to 5256000. */
  readonly refreshTokenMinutes?: number;

  /**
   * How long a sign-in counts that came to nothing, in minutes: 1 to 60.
   *
   * @default 5
   */
  readonly reservationMinutes?: number;

  /**
   * What a user reads who cannot be signed out elsewhere just now, because of sign-ins of the last minutes.
   *
   * @default "You have just signed in somewhere else. Please try again in a few minutes"
   */
  readonly waitMessage?: string;
}

/** `[sign-in-alert]` */
export interface SignInAlert {
  /** How many days without a sign-in are an absence, 1 to 3650. Only for `when = "after-absence"`. */
  readonly absentDays?: number;

  /**
   * After a mail no other is sent for so many hours, at most 8760. With 0 every sign-in is told, but for two within
   * 30 seconds, which look like one.
   *
   * @default 0
   */
  readonly atMostOncePerHours?: number;

  /**
   * What app clients are called, by their ids.
   *
   * @default {}
   */
  readonly clients?: Readonly<Record<string, string>>;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * App clients, by their ids, where sign-ins are not told.
   *
   * @default []
   */
  readonly exemptClients?: readonly string[];

  /** Who the mail is from. Left out, whom the mailer names. */
  readonly from?: string;

  /**
   * The language of users whose own is not known, or not among those of the template.
   *
   * @default "en"
   */
  readonly locale?: string;

  /**
   * For how many days the link "this was not me" works, 1 to 90. Left out, the mail has none. Needs `links` under
   * `[services]`, the function `links`, and the root key.
   */
  readonly notMeLinkDays?: number;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "continue"
   */
  readonly onFault?: 'deny' | 'continue';

  /** Where answers go, one mailbox or several. Left out, where the mailer says. */
  readonly replyTo?: string | readonly string[];

  /**
   * The template, named by its folder.
   *
   * @default "sign-in-alert"
   */
  readonly template?: string;

  /** Which sign-ins are told. */
  readonly when?: 'always' | 'new-device' | 'after-absence';

  /** The time zone of users whose own is not known, e.g. `Europe/Vienna`. Left out, UTC. */
  readonly zone?: string;
}

/** `[sign-in-count]` */
export interface SignInCount {
  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "continue"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * What comes sooner after a sign-in of the same user, at the same app client if these are counted, is taken for
   * the same one, in seconds: 0 to 3600. With 0 every event counts, one that Cognito repeats as well.
   *
   * @default 0
   */
  readonly oncePerSeconds?: number;

  /**
   * Whether sign-ins are also counted for each app client. Of one user the 50 clients used last are kept.
   *
   * @default true
   */
  readonly perClient?: boolean;
}

/** The template of each occasion, named by its folder, or `false` to leave the occasion to Cognito's own words, whatever variants there are. */
export interface TemplatedMessageOccasions {
  /** An administrator created a user, who is invited with a temporary password. Left out, `invitation`. */
  readonly adminCreateUser?: string | false;

  /** A sign-in asks for a second factor. Left out, `mfa`. */
  readonly authentication?: string | false;

  /** Somebody forgot the password. Left out, `forgotten-password`. */
  readonly forgotPassword?: string | false;

  /** The same once more. Left out, `verification`. */
  readonly resendCode?: string | false;

  /** Somebody signed up and has to confirm the address. Left out, `verification`. */
  readonly signUp?: string | false;

  /** An address or a phone number was changed. Left out, `attribute-change`. */
  readonly updateUserAttribute?: string | false;

  /** An address or a phone number is to be confirmed. Left out, `attribute-change`. */
  readonly verifyUserAttribute?: string | false;
}

/** A template, and all that has to hold for it to be taken. There is at least one condition. */
export interface TemplatedMessageVariant {
  /**
   * Attributes of the user by name, each with the exact text it has to be, or a list of such texts. One that the
   * user does not have is as good as empty.
   */
  readonly attribute?: Readonly<Record<string, string | readonly string[]>>;

  /**
   * Whether it is the user's birthday today, where the user is: in the zone of the attribute `zoneinfo`, else that
   * of `zone`. Who was born on 29 February celebrates on 28 February in other years. Whose `birthdate` is not known
   * has none.
   */
  readonly birthday?: boolean;

  /** The app client, one or several, by id. A user an administrator creates comes from `CLIENT_ID_NOT_APPLICABLE`. */
  readonly client?: string | readonly string[];

  /**
   * The domain of the user's address, one or several: `example.com` is that domain alone, `*.example.com` all below
   * it. Who signs up has not proven yet to own the address.
   */
  readonly emailDomain?: string | readonly string[];

  /**
   * The language of the user, one or several: `de` means `de-AT` as well, `de-AT` nobody with `de`. Whose own is
   * not known has that of `locale`.
   */
  readonly locale?: string | readonly string[];

  /** What the message is sent for, one or several. */
  readonly occasion?: 'sign-up' | 'resend-code' | 'admin-create-user' | 'forgot-password' | 'update-user-attribute' | 'verify-user-attribute' | 'authentication' | readonly ('sign-up' | 'resend-code' | 'admin-create-user' | 'forgot-password' | 'update-user-attribute' | 'verify-user-attribute' | 'authentication')[];

  /**
   * The template, named by its folder. Where it fails, and for a part it has not, the usual template of the
   * occasion is taken.
   */
  readonly template: string;
}

/** `[templated-message]` */
export interface TemplatedMessage {
  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * Whether mails get words. Cognito refuses words for a mail, and with them the user's call, unless the pool sends
   * through SES (`EmailSendingAccount` is `DEVELOPER`): set it to false for a pool that sends with Cognito's own
   * mail.
   *
   * @default true
   */
  readonly email?: boolean;

  /**
   * The language of users whose own is not known, or not among those of the template.
   *
   * @default "en"
   */
  readonly locale?: string;

  /** What the sender is called in templates, `sender.name`: 1 to 60 characters. Left out, it is empty there. */
  readonly name?: string;

  /** The usual template of each occasion. */
  readonly occasions?: TemplatedMessageOccasions;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "continue"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * Whether SMS get words.
   *
   * @default true
   */
  readonly sms?: boolean;

  /** The folder of the templates, beside this file. Left out, that of the services. */
  readonly templates?: string;

  /** Templates that are taken instead if all of their conditions hold; of several the first. */
  readonly variants?: readonly TemplatedMessageVariant[];

  /**
   * Whether the pool has addresses confirmed at sign-up by a code or by a link, as it is set for the pool
   * (`VerificationMessageTemplate`, `DefaultEmailOption`).
   */
  readonly verifyBy?: 'code' | 'link';

  /** The time zone of users whose attribute `zoneinfo` names none, by its name in the tz database. Left out, UTC. */
  readonly zone?: string;
}

/** `[unique-nickname]` */
export interface UniqueNickname {
  /**
   * Whether a name changed in the profile is put right at the next sign-in. Costs one read of the ledger per
   * sign-in.
   *
   * @default true
   */
  readonly atSignIn?: boolean;

  /**
   * The attribute that is kept unique.
   *
   * @default "nickname"
   */
  readonly attribute?: string;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "deny"
   */
  readonly onFault?: 'deny' | 'continue';

  /** What happens to somebody who asks for a name that is held. */
  readonly policy?: 'reject' | 'assign';

  /**
   * Whether a sign-up without a name is refused.
   *
   * @default false
   */
  readonly required?: boolean;

  /**
   * How long a name is kept for somebody who signed up and is not confirmed yet, in minutes: 1 to 43200 (30 days).
   *
   * @default 60
   */
  readonly reservationMinutes?: number;
}

/** `[user-events]` */
export interface UserEvents {
  /**
   * Whether users who were not heard of before are told as confirmed at a sign-in. Costs one read of the ledger per
   * sign-in.
   *
   * @default true
   */
  readonly atSignIn?: boolean;

  /**
   * The attributes that are told of a user, by their names in the pool, e.g. `email` or `custom:plan`. The `sub`
   * always is, anything else never.
   */
  readonly attributes?: readonly string[];

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /** What is told. */
  readonly events?: readonly ('user.confirmed' | 'user.signed_in' | 'user.password_changed')[];

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "continue"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * Tells at a sign-in only users created at this time or later as confirmed: a date, in UTC, or a time with its
   * offset. Left out, everybody who was not heard of before counts as new. Needs a directory.
   */
  readonly onboardSince?: string;

  /**
   * What comes sooner after an event of the same user and kind is taken for the same one, in seconds: 1 to 3600.
   *
   * @default 30
   */
  readonly oncePerSeconds?: number;
}

/** `[welcome-email]` */
export interface WelcomeEmail {
  /**
   * Whether users who were not heard of before are greeted at a sign-in. Costs one read of the ledger per sign-in.
   *
   * @default true
   */
  readonly atSignIn?: boolean;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /** Who the mail is from. Left out, whom the mailer names. */
  readonly from?: string;

  /**
   * The language of users whose own is not known, or not among those of the template.
   *
   * @default "en"
   */
  readonly locale?: string;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "continue"
   */
  readonly onFault?: 'deny' | 'continue';

  /**
   * Greets at a sign-in only users created at this time or later: a date, in UTC, or a time with its offset. Left
   * out, everybody who was not heard of before counts as new. Needs a directory.
   */
  readonly onboardSince?: string;

  /** Where answers go, one mailbox or several. Left out, where the mailer says. */
  readonly replyTo?: string | readonly string[];

  /**
   * The template, named by its folder.
   *
   * @default "welcome-email"
   */
  readonly template?: string;

  /**
   * Providers, by their names in the pool, whose users' addresses count as proven. Cognito itself marks the address
   * of a federated user as not verified, unless the provider's word for it is mapped.
   *
   * @default []
   */
  readonly trustedProviders?: readonly string[];

  /**
   * Whether addresses are written to that nobody has proven to own. Anybody can then have this mail sent to
   * anybody.
   *
   * @default false
   */
  readonly unverified?: boolean;
}

/** `[win-back]` */
export interface WinBack {
  /**
   * Whether users who are still absent get one.
   *
   * @default true
   */
  readonly absent?: boolean;

  /**
   * The template for users who are still absent, named by its folder.
   *
   * @default "win-back-absent"
   */
  readonly absentTemplate?: string;

  /** How many days without a sign-in are an absence, 7 to 1000. */
  readonly afterDays: number;

  /** Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier */
  readonly delivery?: 'inline' | 'deferred';

  /** Who the mails are from. Left out, whom the mailer names. */
  readonly from?: string;

  /**
   * For how many days after a mail was sent its link to unsubscribe works, 30 to 3650.
   *
   * @default 180
   */
  readonly linkDays?: number;

  /**
   * The name of these mails among those a user can unsubscribe from: letters, digits, `-` and `_`, at most 64.
   *
   * @default "win-back"
   */
  readonly list?: string;

  /**
   * The language of users whose own is not known, or not among those of the template.
   *
   * @default "en"
   */
  readonly locale?: string;

  /**
   * Switches the rule off
   *
   * @default false
   */
  readonly off?: boolean;

  /**
   * What happens when the rule cannot be asked
   *
   * @default "continue"
   */
  readonly onFault?: 'deny' | 'continue';

  /** Where answers go, one mailbox or several. Left out, where the mailer says. */
  readonly replyTo?: string | readonly string[];

  /**
   * Whether users who return get a mail. With neither this nor `absent` the rule only notes sign-ins, so that what
   * waits still lapses: the way to end it.
   *
   * @default true
   */
  readonly returned?: boolean;

  /**
   * The template for users who return, named by its folder.
   *
   * @default "win-back"
   */
  readonly template?: string;

  /** The time zone of users whose attribute `zoneinfo` names none, by its name in the tz database. Left out, UTC. */
  readonly zone?: string;
}

/** `[links]` */
export interface Links {
  /**
   * Who is told by mail that a user took back a sign-in ("this was not me"): a mailbox or up to 50. Left out,
   * nobody.
   */
  readonly administrators?: string | readonly string[];

  /** Who that mail is from. Left out, whom the mailer names. */
  readonly from?: string;

  /**
   * The language of the administrators, and of those whose browser asks for none of the pages' languages.
   *
   * @default "en"
   */
  readonly locale?: string;

  /**
   * What stands above the pages, at most 60 characters.
   *
   * @default ""
   */
  readonly productName?: string;
}

/** The rules that are on, with their settings. */
export interface RuleTables {
  /** `[access-code]` */
  readonly accessCode?: AccessCode;
  /** `[admin-notice]` */
  readonly adminNotice?: AdminNotice;
  /** `[domain-allow-list]` */
  readonly domainAllowList?: DomainAllowList;
  /** `[maintenance]` */
  readonly maintenance?: Maintenance;
  /** `[password-age]` */
  readonly passwordAge?: PasswordAge;
  /** `[s3-provisioning]` */
  readonly s3Provisioning?: S3Provisioning;
  /** `[session-limit]` */
  readonly sessionLimit?: SessionLimit;
  /** `[sign-in-alert]` */
  readonly signInAlert?: SignInAlert;
  /** `[sign-in-count]` */
  readonly signInCount?: SignInCount;
  /** `[templated-message]` */
  readonly templatedMessage?: TemplatedMessage;
  /** `[unique-nickname]` */
  readonly uniqueNickname?: UniqueNickname;
  /** `[user-events]` */
  readonly userEvents?: UserEvents;
  /** `[welcome-email]` */
  readonly welcomeEmail?: WelcomeEmail;
  /** `[win-back]` */
  readonly winBack?: WinBack;
}

/** Settings of functions without rules. */
export interface OtherTables {
  /** `[links]` */
  readonly links?: Links;
}

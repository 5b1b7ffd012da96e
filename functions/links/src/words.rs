//! What the pages say, in the languages they speak.

/// A language the pages speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
    French,
    Spanish,
}

/// The pages of one purpose.
pub(crate) struct Purpose {
    /// The question.
    pub(crate) ask: &'static str,
    pub(crate) ask_more: &'static str,
    /// What will be done, if it is more than the question says.
    pub(crate) steps: &'static [&'static str],
    /// What else will be done if there are administrators to be told.
    pub(crate) step_tell: Option<&'static str>,
    pub(crate) button: &'static str,
    /// What to do otherwise.
    pub(crate) otherwise: &'static str,
    pub(crate) done: &'static str,
    pub(crate) done_more: &'static [&'static str],
}

/// Everything in one language.
pub(crate) struct Words {
    /// Its name in HTML.
    pub(crate) tag: &'static str,
    pub(crate) unsubscribe: Purpose,
    pub(crate) not_me: Purpose,
    pub(crate) unknown: &'static str,
    pub(crate) unknown_more: &'static str,
    pub(crate) expired: &'static str,
    pub(crate) expired_more: &'static str,
    pub(crate) refused: &'static str,
    pub(crate) refused_more: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) failed_more: &'static str,
    pub(crate) again: &'static str,
}

impl Language {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::English, Self::German, Self::French, Self::Spanish];

    /// The language of this tag (BCP 47), or English if it is not spoken here.
    pub(crate) fn of(tag: &str) -> Self {
        Self::find(tag).unwrap_or(Self::English)
    }

    /// What a browser would rather read, of what is spoken here (RFC 9110, `Accept-Language`).
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for choice in header.split(',').take(MOST_CHOICES) {
            let (tag, parameters) = choice.split_once(';').unwrap_or((choice, ""));
            let weight = match parameters.trim().strip_prefix("q=") {
                Some(weight) => weight.trim().parse().unwrap_or(0.0),
                None => 1.0,
            };
            let Some(language) = Self::find(tag.trim()).filter(|_| weight > 0.0) else { continue };
            // Of equal ones the first.
            if best.is_none_or(|(heaviest, _)| weight > heaviest) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    fn find(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.words().tag))
    }

    /// What is said in it.
    pub(crate) const fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
            Self::French => &FRENCH,
            Self::Spanish => &SPANISH,
        }
    }
}

/// How many languages of a header are looked at.
const MOST_CHOICES: usize = 32;

const ENGLISH: Words = Words {
    tag: "en",
    unsubscribe: Purpose {
        ask: "Unsubscribe?",
        ask_more: "You will get no more mails of this kind from us.",
        steps: &[],
        step_tell: None,
        button: "Unsubscribe",
        otherwise: "If you want to keep getting them, just close this page.",
        done: "You are unsubscribed",
        done_more: &[
            "You will get no more mails of this kind. Mails about your account and its security still reach you.",
        ],
    },
    not_me: Purpose {
        ask: "Was that not you?",
        ask_more: "Then somebody else may know your password. If you confirm:",
        steps: &[
            "you are signed out everywhere, on all devices",
            "your password stops working, and you choose a new one the next time you sign in",
        ],
        step_tell: Some("our administrators are told"),
        button: "That was not me",
        otherwise: "If it was you, just close this page. Nothing will change.",
        done: "Your account is secured",
        done_more: &[
            "You are signed out everywhere. What is open already may keep working for a short while.",
            "If you sign in with a password here, it no longer works: choose a new one with “Forgot password”. \
             Did you use the same password elsewhere? Change it there, too.",
            "If you sign in with an account somewhere else, change your password there.",
        ],
    },
    unknown: "This link does not work",
    unknown_more: "Perhaps part of it is missing. Please open it once more from the mail.",
    expired: "This link is too old",
    expired_more: "Links in our mails work for a limited time only. Please use the link in a newer mail, or write to us.",
    refused: "This page cannot do that",
    refused_more: "Please open the link once more from the mail.",
    failed: "That did not work",
    failed_more: "Something went wrong on our side, and perhaps not everything was done. Please try again in a few minutes; doing it \
                  twice does no harm. If it keeps failing, please write to us.",
    again: "Try again",
};

const GERMAN: Words = Words {
    tag: "de",
    unsubscribe: Purpose {
        ask: "Abmelden?",
        ask_more: "Sie erhalten dann keine E-Mails dieser Art mehr von uns.",
        steps: &[],
        step_tell: None,
        button: "Abmelden",
        otherwise: "Wenn Sie sie weiterhin erhalten möchten, schließen Sie einfach diese Seite.",
        done: "Sie sind abgemeldet",
        done_more: &[
            "Sie erhalten keine E-Mails dieser Art mehr. Mitteilungen zu Ihrem Konto und seiner Sicherheit erreichen Sie weiterhin.",
        ],
    },
    not_me: Purpose {
        ask: "Das waren nicht Sie?",
        ask_more: "Dann kennt vielleicht jemand anderes Ihr Passwort. Wenn Sie bestätigen:",
        steps: &[
            "werden Sie überall und auf allen Geräten abgemeldet",
            "gilt Ihr Passwort nicht mehr, und Sie wählen bei der nächsten Anmeldung ein neues",
        ],
        step_tell: Some("werden unsere Administratoren verständigt"),
        button: "Das war ich nicht",
        otherwise: "Wenn Sie es doch waren, schließen Sie einfach diese Seite. Es ändert sich nichts.",
        done: "Ihr Konto ist gesichert",
        done_more: &[
            "Sie sind überall abgemeldet. Was bereits geöffnet ist, funktioniert vielleicht noch für kurze Zeit.",
            "Wenn Sie sich hier mit einem Passwort anmelden, gilt es nicht mehr: Wählen Sie über „Passwort vergessen“ ein neues. \
             Haben Sie dasselbe Passwort auch anderswo verwendet? Dann ändern Sie es auch dort.",
            "Wenn Sie sich mit dem Konto eines anderen Anbieters anmelden, ändern Sie dort Ihr Passwort.",
        ],
    },
    unknown: "Dieser Link funktioniert nicht",
    unknown_more: "Vielleicht fehlt ein Teil davon. Bitte öffnen Sie ihn noch einmal aus der E-Mail.",
    expired: "Dieser Link ist zu alt",
    expired_more: "Links in unseren E-Mails gelten nur eine begrenzte Zeit. Bitte verwenden Sie den Link einer neueren E-Mail, oder \
                   schreiben Sie uns.",
    refused: "Das kann diese Seite nicht",
    refused_more: "Bitte öffnen Sie den Link noch einmal aus der E-Mail.",
    failed: "Das hat nicht geklappt",
    failed_more: "Bei uns ist etwas schiefgegangen, und vielleicht wurde nicht alles erledigt. Bitte versuchen Sie es in ein paar \
                  Minuten noch einmal; es schadet nicht, wenn es zweimal geschieht. Wenn es immer wieder misslingt, schreiben Sie uns \
                  bitte.",
    again: "Noch einmal versuchen",
};

const FRENCH: Words = Words {
    tag: "fr",
    unsubscribe: Purpose {
        ask: "Se désabonner ?",
        ask_more: "Vous ne recevrez plus d’e-mails de ce type de notre part.",
        steps: &[],
        step_tell: None,
        button: "Se désabonner",
        otherwise: "Si vous souhaitez continuer à les recevoir, fermez simplement cette page.",
        done: "Désabonnement effectué",
        done_more: &[
            "Vous ne recevrez plus d’e-mails de ce type. Les messages concernant votre compte et sa sécurité vous parviendront toujours.",
        ],
    },
    not_me: Purpose {
        ask: "Ce n’était pas vous ?",
        ask_more: "Quelqu’un d’autre connaît peut-être votre mot de passe. Si vous confirmez :",
        steps: &[
            "toutes vos sessions seront fermées, sur tous vos appareils",
            "votre mot de passe ne fonctionnera plus, et vous en choisirez un nouveau à la prochaine connexion",
        ],
        step_tell: Some("nos administrateurs seront prévenus"),
        button: "Ce n’était pas moi",
        otherwise: "Si c’était bien vous, fermez simplement cette page. Rien ne changera.",
        done: "Votre compte est protégé",
        done_more: &[
            "Toutes vos sessions sont fermées. Ce qui est déjà ouvert peut encore fonctionner un court moment.",
            "Si vous vous connectez ici avec un mot de passe, il ne fonctionne plus : choisissez-en un nouveau avec « Mot de passe \
             oublié ». Utilisiez-vous le même mot de passe ailleurs ? Changez-le là aussi.",
            "Si vous vous connectez avec le compte d’un autre service, changez-y votre mot de passe.",
        ],
    },
    unknown: "Ce lien ne fonctionne pas",
    unknown_more: "Il en manque peut-être une partie. Veuillez l’ouvrir à nouveau depuis l’e-mail.",
    expired: "Ce lien est trop ancien",
    expired_more: "Les liens de nos e-mails ne sont valables qu’un certain temps. Veuillez utiliser le lien d’un e-mail plus récent, ou \
                   écrivez-nous.",
    refused: "Cette page ne peut pas faire cela",
    refused_more: "Veuillez ouvrir à nouveau le lien depuis l’e-mail.",
    failed: "Cela n’a pas fonctionné",
    failed_more: "Un problème est survenu chez nous, et peut-être que tout n’a pas été fait. Veuillez réessayer dans quelques minutes ; \
                  le faire deux fois ne pose aucun problème. Si cela échoue encore, écrivez-nous.",
    again: "Réessayer",
};

const SPANISH: Words = Words {
    tag: "es",
    unsubscribe: Purpose {
        ask: "¿Darse de baja?",
        ask_more: "No recibirá más correos nuestros de este tipo.",
        steps: &[],
        step_tell: None,
        button: "Darme de baja",
        otherwise: "Si quiere seguir recibiéndolos, simplemente cierre esta página.",
        done: "Se ha dado de baja",
        done_more: &[
            "No recibirá más correos de este tipo. Los avisos sobre su cuenta y su seguridad le seguirán llegando.",
        ],
    },
    not_me: Purpose {
        ask: "¿No ha sido usted?",
        ask_more: "Entonces puede que otra persona conozca su contraseña. Si lo confirma:",
        steps: &[
            "se cerrará su sesión en todas partes, en todos los dispositivos",
            "su contraseña dejará de funcionar y elegirá una nueva la próxima vez que inicie sesión",
        ],
        step_tell: Some("se avisará a nuestros administradores"),
        button: "No he sido yo",
        otherwise: "Si ha sido usted, simplemente cierre esta página. No cambiará nada.",
        done: "Su cuenta está protegida",
        done_more: &[
            "Se ha cerrado su sesión en todas partes. Lo que ya está abierto puede seguir funcionando un rato.",
            "Si inicia sesión aquí con una contraseña, ya no funciona: elija una nueva con «¿Ha olvidado su contraseña?». ¿Usaba la \
             misma contraseña en otro sitio? Cámbiela allí también.",
            "Si inicia sesión con la cuenta de otro servicio, cambie su contraseña allí.",
        ],
    },
    unknown: "Este enlace no funciona",
    unknown_more: "Quizá le falte una parte. Ábralo de nuevo desde el correo.",
    expired: "Este enlace es demasiado antiguo",
    expired_more: "Los enlaces de nuestros correos solo valen durante un tiempo. Use el enlace de un correo más reciente o escríbanos.",
    refused: "Esta página no puede hacer eso",
    refused_more: "Abra de nuevo el enlace desde el correo.",
    failed: "No ha funcionado",
    failed_more: "Algo ha fallado por nuestra parte y quizá no se haya hecho todo. Inténtelo de nuevo dentro de unos minutos; hacerlo \
                  dos veces no causa ningún problema. Si sigue fallando, escríbanos.",
    again: "Intentarlo de nuevo",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_what_the_browser_would_rather_read() {
        for (header, language) in [
            ("de", Some(Language::German)),
            ("de-AT,de;q=0.9,en;q=0.8", Some(Language::German)),
            ("en;q=0.3, fr-CA;q=0.7, es;q=0.7", Some(Language::French)),
            ("ja, ES-419;q=0.1", Some(Language::Spanish)),
            ("de;q=0, en;q=0.1", Some(Language::English)),
            ("de;q=NaN", None),
            ("de;q=none", None),
            ("german", None),
            ("ja", None),
            ("*", None),
            ("", None),
            (";;;,,,q=1", None),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
        assert_eq!(Language::accepted(&format!("{}de", "ja,".repeat(100_000))), None);
        assert_eq!((Language::of("fr-CH"), Language::of("ja")), (Language::French, Language::English));
    }
}

-- What an account was told: the event's id is its own, so that an event tells an account once. The words are those that were
-- the newest when it was told.
CREATE TABLE notifications (
    account_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    template INTEGER NOT NULL,
    ride_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    read INTEGER NOT NULL DEFAULT 0 CHECK (read IN (0, 1)),
    PRIMARY KEY (account_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX notifications_unread ON notifications (account_id) WHERE read = 0;

-- In which words. A change is a new version in every language; those that were told keep theirs.
CREATE TABLE notification_templates (
    kind TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    locale TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, version, locale)
) STRICT, WITHOUT ROWID;

INSERT INTO notification_templates (kind, version, locale, title, body) VALUES
    ('ride-offered', 1, 'pt-BR', 'Passeio para você', 'Há um passeio perto de você. Aceite antes que a oferta termine.'),
    ('ride-offered', 1, 'en', 'A walk for you', 'There is a walk near you. Accept it before the offer ends.'),
    ('ride-accepted', 1, 'pt-BR', 'Passeio aceito', 'Um passeador aceitou o seu pedido.'),
    ('ride-accepted', 1, 'en', 'Your walk was accepted', 'A walker has accepted your request.'),
    ('walker-arrived', 1, 'pt-BR', 'O passeador chegou', 'Entregue o seu pet e diga o PIN ao passeador.'),
    ('walker-arrived', 1, 'en', 'The walker is here', 'Hand over your pet and tell the walker the PIN.'),
    ('ride-started', 1, 'pt-BR', 'O passeio começou', 'Acompanhe o passeio no mapa.'),
    ('ride-started', 1, 'en', 'The walk has begun', 'Follow the walk on the map.'),
    ('ride-completed', 1, 'pt-BR', 'Passeio concluído', 'Veja a rota e o recibo.'),
    ('ride-completed', 1, 'en', 'The walk is done', 'See the route and the invoice.'),
    ('ride-interrupted', 1, 'pt-BR', 'Passeio interrompido', 'O passeio terminou antes do previsto. Veja o motivo.'),
    ('ride-interrupted', 1, 'en', 'The walk was cut short', 'The walk ended before its time. See why.'),
    ('ride-cancelled', 1, 'pt-BR', 'Passeio cancelado', 'O passeio foi cancelado.'),
    ('ride-cancelled', 1, 'en', 'The walk was called off', 'The walk was called off.'),
    ('walker-withdrew', 1, 'pt-BR', 'Procuramos outro passeador', 'O passeador não poderá ir. Já procuramos outro.'),
    ('walker-withdrew', 1, 'en', 'Looking for another walker', 'The walker cannot come. We are looking for another.'),
    ('ride-expired', 1, 'pt-BR', 'Ninguém pôde ir', 'Nenhum passeador aceitou o pedido. Nada foi cobrado.'),
    ('ride-expired', 1, 'en', 'Nobody could come', 'No walker took your request. Nothing was charged.'),
    ('tutor-no-show', 1, 'pt-BR', 'O passeador não encontrou você', 'O passeador esperou e foi embora. Veja o recibo.'),
    ('tutor-no-show', 1, 'en', 'The walker did not find you', 'The walker waited and left. See the invoice.');

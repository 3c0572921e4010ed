"""The phrases by which a person refuses more messages, in Portuguese, Spanish and English. `matching.py` applies them.

Words are written as `fold` returns them, without capitals, accents and punctuation ("don't" is `dont`), and in the
spelling of SPELLINGS. Words of EMPHASIS are left out. In a list, `|` or the end of a line ends a phrase. A line that
ends with a backslash continues on the next line.

In a phrase, `[mais]` may be absent, `(pare|parem)` is one of the alternatives, `{mandar}` is one of the phrases of that
name in NAMED, `...` is up to four words of any kind, and `descadastr*` is any word that begins with these letters.
"""

from __future__ import annotations

# Each key is the spelling of a word in the phrases. The value lists the other spellings of this word in chats.
SPELLINGS = {
    "nao": "n naum nau num nn",
    "nao quero": "naoquero",
    "quero": "kero qero qro quro",
    "que": "q ke qe",
    "de": "d",
    "para": "pra p",
    "mais": "mas maiss",  # also the Spanish "más"
    "voces": "vcs vces voses voceis voce vc ustedes uds usted",
    "mensagem": "mensagens msg msgs mensagen mensage mensages mensagems mensajem menssagem menssagens mesagem mesagens"
    " mensaje mensajes msj msjs mjs mensjes",
    "receber": "recebe reseber recever recebr resceber",
    "numero": "nmr numeru nro",
    "whatsapp": "whats wpp zap zapzap wats wasap wsp whatsap watsapp",
    "me": "mi mim",
    "contato": "contacto",
    "contatem": "contactem",
    "quiero": "kiero qiero",
    "messages": "message msgz",
    "texting": "txting texing",
}

# Courtesy does not change the meaning of an answer: "SAIR, por favor" means the same as "SAIR".
COURTESY = """
por favor|porfavor|porfa|porfis|pfv|pfvr|pf|pff|faz favor|fazendo favor|favor|por gentileza|gentileza|por obsequio
se possivel|muito obrigado|muito obrigada|obrigado|obrigada|obg|obgd|brigado|brigada|grato|grata|agradeco|valeu|vlw
desculpe|desculpa|com licenca|oi|oie|ola|opa|ok|bom dia|boa tarde|boa noite|tudo bem|tudo bom|ta bom|att
atenciosamente|abraco|abracos
please|pls|plz|plis|kindly|thanks a lot|many thanks|thank you very much|thank you so much|thank you|thank u|thanks|thx
tks|ty|cheers|sorry|hi|hello|hey|good morning|good afternoon|good evening
muchas gracias|mil gracias|gracias|hola|buenas|buenos dias|buen dia|buenas tardes|buenas noches|disculpe|disculpen
saludos|si es posible
bitte|danke|hallo|merci|sil vous plait|svp|bonjour
"""

# Emphasis does not change the meaning of a phrase. A single stop word with emphasis goes to review, because "I quit"
# does not mean "QUIT".
EMPHASIS = """
eu|ja|so|apenas|simplesmente|realmente|de verdade|urgente|imediatamente|de vez|entao|pelo amor de deus
por amor de deus|meu deus|gente|pessoal|galera|amigo|amiga|moco|moca|mano|cara|senhor|senhora|senhores|sr|sra|porra
caralho|krl|crl|merda|cacete|pqp|fdp|vtnc|puta que pariu|inferno|droga|desgraca|poxa|aff|hein|viu|ne|ta|ai|e
i|just|already|really|seriously|immediately|at once|right now|guys|bro|dude|man|sir|madam|mate|fucking|fuckin|the fuck
damn|goddamn|bloody|bitch|for gods sake|for fucks sake|and|0|1|2|3|4|5|6|7|8|9
yo|ya|solo|inmediatamente|de una vez|amigos|senor|carajo|mierda|cono|puta|pinche|y
"""

NAMED = {
    # Portuguese
    "nao_quero": """
        nao (quero|queria|desejo|pretendo|preciso|aceito|autorizo|gostaria de|gostaria mais de|vou querer)
        nao [tenho] [mais] interesse em|nao estou [mais] (interessado|interessada) em
    """,
    "mensagens": """
        [(a|as|essa|essas|esta|estas|esse|esses|este|estes|sua|suas|tua|nenhuma|nenhum|qualquer|tantas)] [tipo de] \
        (mensagem|promocao|promocoes|propaganda|propagandas|oferta|ofertas|publicidade|notificacao|notificacoes\
        |comunicado|comunicados|comunicacao|comunicacoes|anuncio|anuncios|divulgacao|marketing|spam|novidades|sms) \
        [(promocional|promocionais|publicitaria|publicitarias)] \
        [de (promocao|promocoes|propaganda|marketing|ofertas|divulgacao|publicidade|vendas|whatsapp)]
    """,
    "mandar": """
        mandar|mandarem|manda|mande|mandem|enviar|enviarem|envia|envie|enviem|escrever|escreva|escrevam
    """,
    "perturbar": """
        perturbar|perturbe|perturba|perturbem|incomodar|incomode|incomoda|incomodem|importunar|importune|importunem
        chatear|encher
    """,
    "tirar": """
        tira|tire|tirem|tirar|tirarem|retira|retire|retirem|retirar|remove|remova|removam|remover|exclui|exclua
        excluam
        excluir|apaga|apague|apaguem|apagar|deleta|delete|deletem|deletar|descadastr*|desinscr*
    """,
    "da_lista": """
        (da|dessa|desta|de|das|dessas) [(sua|suas|tua|vossa|todas as|de)] (lista|listas|mailing|transmissao|base) \
        [de (transmissao|contatos|contato|envio|envios|distribuicao|marketing|clientes|dados|mensagem|promocoes)]
    """,
    # Spanish
    "no_quiero": "no (quiero|deseo|quisiera|necesito|acepto|autorizo|me gustaria|me interesa)",
    "mensajes": """
        [(los|las|el|la|sus|tus|su|estos|estas|esos|esas|ningun|ninguna|tantos)] [tipo de] \
        (mensagem|promociones|promocion|publicidad|propaganda|ofertas|notificaciones|avisos|textos|spam|anuncios \
        |comunicaciones) [(promocionales|publicitarios)] [de (publicidad|promociones|whatsapp)]
    """,
    "escriban": """
        escriba|escriban|escribas|escribais|escribir|mande|manden|mandes|mandar|envie|envien|envies|enviar|contacte
        contacten|contactes|contactar|moleste|molesten|molestes|molestar
    """,
    "escribirme": "escribirme|enviarme|mandarme|contactarme|molestar|molestarme",
    "escribir": "escribir|enviar|mandar",
    "quitenme": """
        quitame|quiteme|quitenme|quitarme|sacame|saqueme|saquenme|sacarme|borrame|borreme|borrenme|borrarme|eliminame
        elimineme|eliminenme|eliminarme|remuevanme|retirenme|retireme|retirarme
    """,
    "quiten": """
        quita|quite|quiten|quitar|saca|saque|saquen|sacar|borra|borre|borren|borrar|elimina|elimine|eliminen|eliminar
        remueva|remuevan|retiren
    """,
    "de_la_lista": """
        de (la|las|su|sus|tu|tus|esta|esa|vuestra) (lista|listas|base de datos|base) \
        [de (difusion|contactos|envio|envios|distribucion|clientes|mensagem|whatsapp)]
    """,
    # English
    "messages": """
        [(all|any|any of)] [(the|these|those|this|your|such)] [more] \
        [(text|marketing|promotional|promo|spam|whatsapp)] \
        (messages|texts|text|txts|promotions|promos|promo|ads|advertising|adverts|offers|spam|notifications|updates \
        |alerts|marketing|newsletters|communications|crap|shit)
    """,
    "texting": "texting|messaging|contacting|spamming|writing|bothering|harassing|annoying|pestering",
    # SPELLINGS turns "message" into "messages".
    "text": "text|messages|mensagem|contact|write|bother|spam|whatsapp|txt",
    "off_list": """
        (from|off|of) [(your|the|this|that|any|all)] \
        [(mailing|contact|marketing|text|texting|messaging|whatsapp|distribution|broadcast|sms|messages)] \
        (list|lists|database|system|messages|texts|contacts)
    """,
    # Parts of phrases that go to review, in all three languages
    "not": "nao|no|dont|not|never|nunca|nunca mais|didnt",
    "not_want": """
        nao (quero|queria|desejo|gostaria|pretendo|aceito|curto|vou querer)|nao [tenho] [mais] interesse
        nao me interessa|sem interesse em|no (quiero|deseo|quisiera|acepto)|no me interesa*|no me gustan
        (dont|no longer) (want|wish)|(nao|no) estou interessado|no estoy interesado|not interested
    """,
    "action": """
        parar|pare|parem|paren|sair|salir|salirme|interromper|cancelar|cancela|cancele|cancelem|cancelen|encerrar
        encerra|encerre|desativar|desativa|desactivar|desligar|silenciar|anular|anula|descadastrar|desinscrever|bloquear
        bloqueia|bloqueado|bloqueada|bloqueados|bloqueando|bloqueo|bloquearlos|denunciar|denunciado|denunciando
        denunciarlos|reportar|reportado|reporto|sai|{remove}
    """,
    "action_en": """
        stop|stopping|stopped|quit|cancel|unsubscribe|mute|block|blocked|blocking|report|reported|reporting|remove
        delete|erase
    """,
    "remove": """
        tira|tire|tirem|tirar|retira|retire|retirem|remove|remova|removam|remover|exclui|exclua|excluam|excluir|apaga
        apague|apaguem|apagar|deleta|deletar|deletem|{quitenme}|{quiten}|excluyanme
    """,
    "removal": "exclusao|remocao|retirada|descadastr*|desinscr*|desuscri*|eliminacion|removal|deletion",
    "end": """
        parar|pare|parem|pararem|parassem|cancelar|cancele|cancelem|cancela|encerr*|desativ*|deslig*|interromp*|suspend*
        deixe|deixem|deixa|deixar|nada de|nunca mais|para com
        stop|quit|cease|cancel|disable|deactivate|turn off|no more|no further|too many|enough|sick of|tired of|done with
        dejen|deja|deje|dejar|dejo|paren|parenle|cancelen|desactiv*|anul*|no mais|alto a|harto|harta
    """,
    "stop_sending": """
        parar|pare|parem|pararem|parassem|param|para|paren|deje|dejen|deja|dejar|deixe|deixem|deixa|deixar|deixarem
    """,
    "send": """
        {mandar}|{perturbar}|{escriban}|{escribirme}|{escribir}|mandando|enviando|escribiendo|chame|chama|chamem|ligar
        contate|contatem|contatar|contactar|escribieran|fastidien|fastidiar|joder|jodan|chingar|chinguen|encher
        send
    """,
    "any_messages": """
        mensagem|mensagns|promocao|promocoes|propaganda|propagandas|ofertas|publicidade|publicidad|promocion|promociones
        notificacao|notificacoes|notificaciones|spam|sms|divulgacao|anuncios
        messages|texts|text|texting|messaging|contacting|msging|promos|promotions|ads|notifications|newsletter
        newsletters
    """,
    "my_entry": """
        meu (numero|contato|telefone|cadastro|celular|whatsapp)|meus (dados|contatos)|(este|esse|o|this) numero
        mis datos
        (da|dessa|desta|de|das|do|desse|deste|nessa|na|em|en|del) [(sua|vossa|todas as|la|su|tu|esta|esa|sus)] [de] \
        (lista|listas|mailing|base|cadastro|grupo)
        (me|este|el) (numero|contato|telefono|celular)|this number|us (off|from)
        my (number|phone|phone number|name|contact|info|data|details|no)
        (off|from|of) [(the|your|ur|this|any|all)] ... (list|lists|database)
    """,
    "annoyed": """
        aguento|suporto|soporto|cansei|cansam|canse|dispenso|excesso|farto|farta|(cansado|cansada) (de|con)|chega de
        basta de|muchos|tantos|tantas|tanta|toda hora|todo dia|todo santo dia|todos os dias|todos los dias|every day
        all day
    """,
    "agreed": "autorizo|autorizei|autorice|permiti|permito|consent*|pedi|solicitei|solicite",
    "said": """
        respondi|respondo|digitei|digito|mandei|mando|enviei|escrevi|coloquei|cliquei em|apertei|falei
        puse|mande|escribi|envie|dije|said|replied|texted|typed|sent|asked|told you|told you to|asked you to
    """,
    "delivery": """
        hoje|amanha|em|no|na|agora|por|pelo|dia|antes|pedido|pedidos|encomenda|produto|entrega|compra|boleto|pacote
        visita|cartao|valor|dinheiro|hoy|manana|en|paquete|factura
    """,
    # All three languages
    "stop_word": "stop|sair|parar|cancelar|baja|salir|unsubscribe|descadastrar|stopall|cancel",
}

# In a certain refusal, these phrases may come before a clear phrase (OPENINGS) or after it (ENDINGS).
OPENINGS = """
quero|queria|gostaria de|gostaria que|desejo|preciso|pode|podem|poderia|poderiam|quero que|peco que|peco para|solicito
exijo que|voces
want to|want you to|would like to|would like you to|id like to|id like you to|wish to|need to|need you to|you need to
can you|could you|would you
quiero|quisiera|necesito|deseo|me gustaria|pueden|puede|puedes|podrian|podria|quiero que|les pido que|solicito que
"""
ENDINGS = """
mais|nunca mais|aqui|por aqui|comigo|por este medio|para (me|voces)|de voces|da loja|da empresa
(dessa|desta|de esta|de tu|de su) (loja|empresa|tienda)|(desse|deste|nesse|neste|a este|de este|para este) numero
(no meu|pelo meu|en me|no|pelo|por|en) (whatsapp|celular|telefone|telefono|numero)
(para|pro|a) [o] (meu|me) (numero|celular|whatsapp)
from you|from (your|this) (company|store|shop|business|number)|to me|to (my|this) (number|phone)|on whatsapp|on my phone
anymore|any more|again|ever|ever again
"""

# Each of these phrases is a certain refusal if it is a whole message or clause. Within a longer message or clause, such
# as "Quero sair na foto", these phrases are ignored.
ALONE = """
(quero|queria|gostaria de|desejo) (sair|parar)|{nao_quero} [mais] receber [mais]
(pare|parem) de [me] {mandar} [isso]|para de me {mandar} [isso]
me (remove|remova|removam|exclui|exclua|excluam|retira|retire|retirem)
quero ser (removido|removida|excluido|excluida|retirado|retirada|descadastrado|descadastrada)
(quiero|quisiera|deseo) salir|no me (escriban|escriba|escribas|contacten|contacte|contactes)
{no_quiero} recibir [mais]
remove me
"""

# Each of these phrases is a certain refusal if it is a whole message or clause. A longer message that contains one of
# these phrases goes to review.
CLEAR = """
{nao_quero} [mais] receber [mais] ({mensagens}|nada) [mais]
nao (quero|queria|desejo|aceito|autorizo|preciso de) [mais] {mensagens} [mais]|nao autorizo o envio de {mensagens}
nao quero [mais] ser (incomodado|incomodada|perturbado|perturbada|contatado|contatada|importunado|importunada)
nao (quero|desejo) [mais] (fazer parte|participar) {da_lista}
(pare|parem|para|parar|deixe|deixem|deixar|chega) de [me] {mandar} [me] [mais] {mensagens}
(pare|parem|para|parar) de (me {perturbar}|{perturbar} [me]|encher o saco)
parar de receber [(isso|{mensagens})]|deixar de receber {mensagens}|chega de {mensagens}
(parar|pare|parem|para|cancelar|cancele|cancela) [com] [(as|essas|estas)] {mensagens}
(cancelar|cancele|cancela) [o] (recebimento|envio) (de|das) {mensagens}|cancelar [o] recebimento
(nao|nunca mais) [me] {mandar} [me] mais ({mensagens}|nada)|(nao|nunca mais) me {mandar} (nada|{mensagens}) [mais]
nao {mandar} {mensagens} [mais]|(nao|nunca) mais me {mandar}
nao me (escreva|escrevam|escrever|perturbe|perturbem|incomode|incomodem|contate|contatem) mais
nao (entre|entrem|entrar) mais em contato
sair {da_lista}|me {tirar} {da_lista}|me {tirar} (do|desse) cadastro
ser (removido|removida|excluido|excluida|retirado|retirada) {da_lista}
{tirar} [o] meu (numero|contato|telefone|celular|cel|fone|whatsapp) [({da_lista}|do cadastro)]
{tirar} [o] meu (nome|cadastro) {da_lista}
[me] descadastr* [(me|meu numero|{da_lista})]|[me] desinscr* [(me|{da_lista})]

{no_quiero} [mais] recibir [mais] ({mensajes}|nada) [mais]
no (quiero|deseo|acepto|autorizo) [mais] {mensajes} [mais]|no autorizo el envio de {mensajes}
no quiero que me {escriban} (mais|{mensajes}|mais {mensajes})
no me {escriban} mais [({mensajes}|nada)]|no me {escriban} {mensajes} [mais]|no {escriban} mais {mensajes}
no (molesten|moleste|molestes) mais|no me (molesten|moleste|molestes)
(deja|deje|dejen|dejar|para|paren|pare|parar) de ({escribirme}|{escribir} {mensajes})|basta de {mensajes}
dejar de recibir [{mensajes}]|no mais {mensajes}
(darme|darse|dame|denme|deme|me dan|me da|me den|me quiero dar|me dar) de baja
salir {de_la_lista}|{quitenme} {de_la_lista}|{quiten} me (numero|contato|telefono|celular|whatsapp) [{de_la_lista}]
{quiten} me nombre {de_la_lista}|desuscri*

stop {texting} [me] [{messages}]|stop sending [me] ({messages}|this|anything)|stop {messages}
(dont|never) {text} me|(dont|never) send [me] ({messages}|anything)
(dont|no longer) (want|wish) [to (receive|get)] [any] [more] {messages}|stop receiving {messages}
(remove|take|delete|erase) (me|my number|my phone|my contact|this number|my info) {off_list}
(remove|delete|erase) my (number|phone number|contact)|no more {messages}
unsubscribe [me] [(from (all|everything|this)|{off_list})]|opt me out|(want|like) to opt out|opt out of {messages}
"""

# A message goes to review if the whole message, or a clause of it, is one of these phrases, because such a phrase may
# be about something else than messages.
UNCLEAR_ALONE = """
(chega|basta|para|parem|paren|pare|stop|parar|sair) [(agora|com isso|disso|daqui|now|it|this|doing this|everything)]
nao quero [mais] [(nada|isso|saber)] [(com voces|de voces)]|dispenso|perdi o interesse
(nao [tenho]|sem) [mais] interesse|nao (me interessa|estou interessado|estou interessada)
sai fora|sai da minha vida|unsubscrever|vaza|some|some daqui|me esquece|me deixa|nao enche
larga do meu pe|fora|golpe|spam
como cancelo|desejo cancelar|vou (bloquear|denunciar)
no quiero [mais] [nada]|no (estoy interesado|estoy interesada|me interesa)|deja|dejen|largo|detenganse
no mais|dar de baja|detener
voy a (bloquear*|denunciar*)
no more|enough|go away|fuck off|get lost|take me off|dont|dnc|[(im|am)] not interested
dont want (these|this|it|any of (this|these)) [on my phone]
"""

# A message of at most eight words also goes to review if two conditions hold. First, the message has a word for an
# action ("stop"), or both a negation and a word for sending. Second, all its other words are actions, negations, words
# for sending, or words of this list.
FILLING = """
a|o|as|os|um|me|us|isso|isto|esto|eso|tudo|todo|todos|todas|agora|ahora|com|con|de|da|do|das|dos|del|dai|la|el|los
las|lo|les|em|meu|minha|meus|sua|seu|su|sus|este|esse|essa|esta|desta|dessa|deste|desse|aqui|ahi|daqui|disso|mais|nada
nenhuma|nenhum|ninguna|quero|queria|desejo|gostaria|preciso|quiero|quisiera|deseo|necesito|pode|podem|poderia|puede
pueden|que|para|pro|por|sem|sin|ou|receber|recibir|recebimento|envio|envios|contato|contatos|lista|listas|numero
telefone|telefono|celular|whatsapp|cadastro|inscricao|subscricao|assinatura|suscripcion|dados|datos|conta|cuenta|grupo
base|voces|interesse
this|that|it|these|those|all|everything|anything|any|else|more|further|now|with|the|to|from|of|on|in|off|out|your|you
u|ur|my|want|wish|would|like|need|wanna|can|could|will|id|im|am|or|call|calling|contact|list|number|phone|again|ever
anymore|nah|nope|thing|stuff|subscription|account|data|interested|sending|receiving|getting|w
"""

# A message goes to review if it contains one of these phrases, or one of the phrases of CLEAR.
UNCLEAR = """
# a word for an end, a removal or a refusal, close to a word for messages, a list or a number
{end} ... {any_messages}|(end|fim) [(this|these|the|de|das)] {any_messages}|{stop_sending} de [(me|estar|ficar)] {send}
{annoyed} ... {any_messages}|{any_messages} ... ({annoyed}|parem|paren|nunca mais|nao quero|no quiero|not interested)
({remove}|remove|delete|erase) ... {my_entry}|{removal} [(do|da|dos|de|del|of)] ... {my_entry}|exclusao de dados
(take|get|drop) (me|my number|my name|us|this number) ... (off|from)|(want|be) (off|removed)
(remove|delete) me|me (remov*|exclu*)
{not_want} ... ({any_messages}|{my_entry}|contacted|contatad*|contactad*|de voces)
{not_want} [mais] [to] (receber|recibir|contato|get this|get these)|disse que nao quero
{not} [(me|lhe|les|nos)] [(vuelva|vuelvan|vuelvas|volte|voltem|esten|fiquem|fique)] [a] {send} ... \
({any_messages}|mais|nada|este numero|esse numero|comigo)
{not} [ever] [(call or|reach out)] (text|messages|mensagem|contact|write|bother|spam|to) (me|us|this|my)
{not} [ever] (send (me|us|this|any|it|to)|reach out|call or text)|dont call list
nao (precisa|precisam) [mais] {send} ... {any_messages}
no [me] (vuelva|vuelvan|vuelvas) a {send}|no me (escriban|escribas|escriba|escribieran|llegue|lleguen|fastidien|jodan)
(nao quero|no quiero) que me [(sigan|siga|fiquem|continuem)] (llegue|lleguen|{send})
nao (entre|entrem|entrar) [mais] em contato|nao me (chame|chama|chamem|procure|procurem|liguem) mais
(siguen|sigue|continuan|continuam|continua|ficam|keep|still) [me] (llegando|mandando|enviando|sending|texting|messaging)
(stop|quit) (sending|{texting})|voces pararem

# other words and phrases for an opt-out
descadastr*|desinscr*|desuscri*|unsub|unsubscri*|optout|opt me out|(opt|opting) out
sair (da|das|de) ({any_messages}|promo)|(sair|retirar|remover|salir) (desse|deste|do|del) (grupo|whatsapp)
sair de todas as listas|(saio|sai|saia|salgo|salirme|exclui*|elimin*) ({da_lista}|{de_la_lista})
({remove}|{quiten}) ({da_lista}|{de_la_lista})
(cancelar|cancele|cancela|cancelen) (o|a|el|la) recebimento
(darme|darse|dame|denme|deme|me dan|me da|me den|me doy|me dar|dar me|darnos|me pueden dar) de baja
(dar|den|de|da) de baja ... numero|(solicito|quiero|pido|deseo|pedi) [la] baja
baja (inmediata|{de_la_lista}|de este servicio)

# questions how to stop the messages
como ... (sair|parar|pararem|paro|desativo|dejo|deixo|salgo) (de|da|do|isso|las|los|mensagem)
como ... para (sair|parar|pararem)|como (cancelar|desativar) (de receber|o recebimento|isso)
como (cancelo|cancelar) (la|me) (suscripcion|inscripcion)|(how|where) (do|can) (stop|cancel|get off) [(this|it|these)]

# the person says that an earlier refusal was ignored
{said} {stop_word}|(pedi|pedir) [(para|que|la|me)] [me] [(dieran|deram)] [de] ({stop_word}|{remove}|baja)|pedi para nao
(quantas|how many) (vezes|times)|({not}|nunca) {agreed} ... ({any_messages}|{send}|contato|uso)
(revog*|retir*|cancel*|revoke|withdraw|revoc*) ... (consent*|autoriza*|permiss*|permiso)|(dont|not|never|didnt) consent
lgpd|(nao|no|nunca) me (cadastrei|inscrevi|registrei|registre|suscribi|inscribi)
(never|didnt|not) (signed|sign|subscribe|subscribed)

# angry answers, and answers of people for whom the message was not meant
(te|voces|los|you|vou|irei) [voy a] (bloquear|denunciar) [(voces|esse numero|este numero)]|(block|report) (you|this)
bloqu* (meu|me|este|esse) numero|me bloqueia|(vou|irei) processar|been (reported|blocked)
(deixa|deixem|deixe) em paz|(dejame|dejenme|dejeme) en paz|leave me ... alone|lose my number|me (esquece|esquecam)
nao [me] enche|enche* o saco|me tira (disso|desta|dessa)|tira meu nome|dejen de (joder|chingar|fastidiar|molestar)
blowing up my phone|fuck off|cease desist|(this is|isso|es|sao|como|report|reported) spam
(numero|telefone|pessoa|contato) (errado|errada|incorreto)|numero equivocado|wrong (number|person)
"""

# These phrases are removed from a message before the message is searched, because they ask the business not to stop, or
# contain a stop word without a refusal.
HARMLESS = """
(nao|no|nunca) [me] ({action}|descadastr*) [{da_lista}]|(dont|not|never) ({action_en}|opt|opt me|take) [(me|out|off)] \
[{off_list}]
{not} (quero|queria|quiero|quisiera|desejo|deseo|preciso|precisa|podem|pode|vou|voy a|gostaria de|want to|need to) \
[mais] [me] ({action}|{action_en}|opt out|darme de baja|descadastr*|deixar|dejar) [de] \
[(receber|recibir)] [{mensagens}] [({da_lista}|{de_la_lista})]
nao (para|pare|parem|parar|deixe|deixem) de [me] {mandar} [{mensagens}]|(nao quero|no quiero) (perder|perderme)
no (dejen|dejes|deje|paren|pares) de ({escribirme}|{escribir}) [{mensajes}]|no me (quites|saques|borres) [{de_la_lista}]
no me (den|des|de|dan|da) de baja
nao (quero|queria|preciso|vou) [mais] receber [(o|a|os|as|esse|essa|este|esta)] {delivery}
no (quiero|deseo) [mais] recibir [(el|la|los|las|ese|esa)] {delivery}
(responda|responder|digite|digitar|envie|escreva|mande|clique em|reply|text|send|type|responde|escribe|escriba|envia) \
[(com|with|con)] [(a palavra|la palabra|the word)] {stop_word} [(para|to|for|a)] \
[({nao_quero}|{stop_word}|opt out|dejar de|parar de)] [(receber|recibir)]
(por que|porque|why did you|why have you|did you) (parou|pararam|deixaram|dejaron|stop|stopped|paro) ... {any_messages}
(sair|salir|sai) (com|con|a|as)|(deja*|deje*|dejo|deixa*|deixe*|deixo) [(un|su|tu|uma|sua|a)] mensagem
lista de (espera|compras|precos|presentes|casamento|precios|regalos|tarefas|produtos|pedidos)|(waiting|wish|price) list
"""

# These phrases also answer many other questions. This list alone does not make a phrase a refusal. If such a phrase is
# a stop word, or is in another list, it is a refusal only as a whole message, not as a clause of a message. If such a
# phrase is on a button, it goes to review.
DAILY = """
cancelar|cancel|remover|end|alto|revoke|nao quero|no quiero|nao quero mais|no quiero mais|para|chega|basta|deja
nao quero mais nada|me deixa|apagar|excluir|enough
"""

# PAYLOAD_ENDINGS: words that may follow the stop word in the payload of a button. Any word with a digit in it may
# follow, too. PAYLOAD_NEGATIONS: a payload with one of these words is no refusal, unless the whole payload is a stop
# word or a listed payload.
PAYLOAD_ENDINGS = """
all|now|me|yes|sim|si|confirm|confirmed|list|lista|marketing|promo|promos|promotions|promocoes|promociones|campaign
campanha|messages|mensagens|mensajes|news|newsletter|whatsapp|button|btn|click|id|reply
"""
PAYLOAD_NEGATIONS = "no|nao|not|dont|do|never|keep|undo|cancel|back|voltar"

# MISSPELLED: words that a short message may contain with one letter wrong. NOT_MISSPELLED: other words that differ from
# these words by one letter.
MISSPELLED = """
stop sair parar salir baja cancelar remover descadastrar unsubscribe desinscrever stopall optout lista receber
mensagem messages texting quero quiero remove recibir parem mande
"""
NOT_MISSPELLED = """
shop step stow top stops stomp slop atop stoop cair sai saia said fair hair pair lair air stair saira saiu sais saio
sabir para pagar pasar paras param parai parir separar varar sarar caja baia bala bata baya beja raja faja paja bajan
bajas bajo baj haja bajo salar saliz sale vista pista listo listas lisa mista liste listar recebeu recebem recebo
recebera testing massages message messaged cancela cancelas cancelei removed removes removi moved pare paren manda
mandem mando
"""

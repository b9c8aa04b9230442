"""The words by which a reply announces its answer, in English and the languages of MGSM and of most users."""

_ADVERBS = (
    r"then|thus|therefore|hence|probably|most likely|likely|clearly|simply|indeed|just|actually|definitely|still|now"
    r"|in fact|exactly|approximately|about|around|roughly|obviously|certainly|always|only|of course|given by|equal to"
)
_BE = (
    r"(?:is|are|was|equals?|(?:should|must|would|will|can only|could only|has got to|has to|have to|ought to|needs to"
    r"|seems? to|appears? to|turns? out to|turned out to|happens? to|is likely to|is going to) be|would have to be"
    r"|comes? (?:out )?to|came (?:out )?to|works? out to|worked out to|becomes|seems|looks to be|looks like)\b"
    rf"(?:[ \t]+(?:{_ADVERBS})\b,?){{0,3}}"
)
_ENGLISH = (
    r"(?:answers?|final[ \t](?:result|solution|value|count|total|number)|ans(?=\.?[ \t]?[:=]))(?!\w)\.?"
    r"(?:[ \t]*\([^()\n]{1,40}\))?(?:[ \t]+(?:to|for)[ \t][^\n.:]{1,60}?|[ \t]*,[ \t]?[\w ]{1,30},"
    r"|[ \t]+(?:here|(?:that )?(?:i|we) (?:get|got|have|found|find|obtain|obtained|need|want))\b)?"
)
_LATIN = (
    r"(?:end)?antwort(?:en)?|(?:end)?ergebnis|réponse|résultat|respuesta|resultado|risposta|risultato|resposta"
    r"|(?:eind)?antwoord|uitkomst|odpowiedź|odpowiedz|wynik|odpověď|odpoveď|výsledek|(?:slut)?svaret|(?:slut)?svar"
    r"|vastaus|lopullinen vastaus|válasz|végeredmény|răspuns(?:ul)?|raspuns(?:ul)?|cevap|cevabı|yanıt|sonuç|đáp án"
    r"|đáp số|câu trả lời|kết quả|jawaban(?:nya)?|jawapan|sagot|jibu|lösung ist|la solución es|la soluzione è"
    r"|resposta|odgovor|atsakymas|vastus|vastused"
)
_OTHER = (
    r"ответ(?:ом)?|відповідь|отговор|одговор|απάντηση|उत्तर|जवाब|उत्तर|উত্তর|సమాధానం|பதில்|விடை|คำตอบ(?:สุดท้าย)?"
    r"|الإجابة|الاجابة|إجابة|الجواب|جواب|النتيجة|پاسخ|תשובה|התשובה"
)
_QUALIFIED = (
    r"(?:[ \t](?:finale?|final|correcte?|correcta?|corretta|correta|certa|richtige|koncowa|końcowa|poprawna|verdadera"
    r"|النهائية|النهائي|الصحيحة|הסופית|הנכונה|cuối cùng|đúng|akhir|yang benar)(?!\w)){0,2}"
)
_VERBS = (
    r"ist|is|है|हैं|sind|lautet|beträgt|wäre|est|sont|serait|es|son|sería|será|è|sono|sarebbe|é|são|seria|luidt|to"
    r"|jest|brzmi"
    r"|wynosi|je|är|er|blir|on|este|είναι|là|adalah|ialah|ay|ni|равен|равно|будет|это|є|це|هي|هو|היא|הוא|คือ|は|az?"
    r"|yra|de"
)
_FOREIGN = (
    rf"(?:{_LATIN}|{_OTHER})(?!\w){_QUALIFIED}[ \t*_]{{0,4}}(?:[:：=]|[—–-](?=[ \t])|(?:{_VERBS})(?!\w)[:：]?"
    r"|(?=[ \t]+(?:[-+]?\d|\S{1,12}[ \t]है)))"
)
_EAST = (
    r"(?:答案|答え|こたえ|回答|解答|正解|正确选项|正確選項|选项|정답|답변|최종[ ]?답|해답"
    r"|(?<![가-힣])답|คำตอบ)[\s*_]{0,3}"
    r"(?:[:：=]|(?:应该|應該|就|应|應|便)?(?:是|为|為|选|選)[:：]?|は[:：、]?|が|은[:：]?|는[:：]?|이|คือ)"
    r"|(?<![^\s。*_])答[ \t*_]{0,3}[:：]|(?:故|因此|所以|应|應)?(?:选择|選擇|选|選)[:： ]{0,2}(?=\(?[A-J](?![A-Za-z]))"
)
ANNOUNCEMENT = rf"{_ENGLISH}[ \t*_]{{0,4}}(?:(?<!answers)[:：=]|{_BE}[:：]?)|{_FOREIGN}|{_EAST}"
"""A label, from its first letter, and the colon or verb after it. Case does not matter."""
HEADS = (
    "answer|final|ans|(?:end)?antwort|(?:end)?ergebnis|r[eé]ponse|r[eé]sultat|respuesta|resultado|rispost|risultat"
    "|resposta"
    "|(?:eind)?antwoord|uitkomst|odpow|odpov|wynik|v[yý]sledek|(?:slut)?svar|vast|lopul|válasz|végered|r[aă]spuns|cevap"
    "|cevab|yanıt|sonuç|đáp|câu trả|kết quả|jawa|sagot|jibu|lösung ist|la solu|odgovor|atsak"
)
FOREIGN_HEADS = (
    "ответ|відповідь|отговор|одговор|απάντηση|उत्तर|जवाब|उत्तर|উত্তর|సమాధానం|பதில்|விடை|คำตอบ|الإجابة|الاجابة|إجابة"
    "|الجواب|جواب|النتيجة|پاسخ|תשובה|התשובה|答|こたえ|回答|解答|正解|正确选项|正確選項|选项|故|因此|所以|应|應|选|選|정답|답변|최종|해답|답"
)
"""How labels begin, for finding them fast."""
VALUE_ENDINGS = (
    r"(?:です|である|だ|となります|になります|入りです|입니다|이다|이에요|예요|है|हैं|হবে|['’]?[dt][ıiuü]r|olur|ಆಗಿದೆ)$"
)
"""What follows the value in languages whose verb comes last."""
LETTER_PREFIX = (
    r"(?:(?:la|el|die|der|das|het|de|il|lo|l['’]|a|o|the|an|indeed|clearly)[ ]?)?"
    r"(?:(?:option|choice|letter|opción|opzione|opção|alternativa|letra|lettre|lettera|buchstabe|antwort|optie"
    r"|odpowiedź"
    r"|вариант|под буквой|şık|seçenek|phương án|pilihan|विकल्प|الخيار|选项|選項|選択肢|보기|answer)[ ]?)?"
)
"""What may come before the letter of an option."""

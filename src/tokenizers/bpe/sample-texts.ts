/** Texts of many scripts and kinds, to try a tokenizer with. */
export const SAMPLE_TEXTS: readonly string[] = [
  "The quick brown fox can't jump over the lazy dog's 12345 fences; it'll try, WE'VE seen 3.14159% of 'em.\n",
  '  function f(x) {\n\t\treturn x === null ? [] : { "a": [1, 2, 3], b: `x` };\n\t}\r\n\r\n   // done   \n',
  '{"role":"user","content":"Was kostet das? 19,99 €","tool_calls":[{"id":"call_1","index":0}],"x":null}',
  'def main(argv: list[str]) -> int:\n    """Doc."""\n    for i in range(10):\n        print(f"{i:>4}")\n',
  '东京都の天気は晴れです。한국어 문장도 있습니다。漢字かな交じり文、全角１２３ＡＢＣ！',
  'مرحبا بالعالم، كيف حالك؟ שָׁלוֹם עולם नमस्ते दुनिया สวัสดีชาวโลก Привет, мир! Γειά σου Κόσμε ١٢٣ ४५६',
  'e\u0301 é ﬁ ﬀ Å Å \u1100\u1161\u11a8 각 ①②Ⅻ ½ x² a\u0315\u0300\u05ae\u0301b ŉ ſ K İ ı ß ẞ',
  '👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇯🇵 👍🏽 ☕️ ♥ 🤷🏻‍♀️ 😀😀😀',
  '\u0000\u0001\u001b[31m\u007f\u0085\u00a0\u2028\u2029\ufeff\u200b\u200d\u180e\u3000\ue000\uffff\u{10ffff}',
  '                                \t\t\t\n\n\n\n \n \n\r\r\n        ',
  '<|im_start|<|im_end|>><|endoftext|> <think> </tool_call> <s></s> [INST] <unused0> <|eot_id|>',
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  '▁▁word▁ ▁Ġ Ċ ĠĠ==========-----------......////////\\\\\\\\"""\'\'\'```',
  'https://example.com/a/b?c=d&e=f#g user@example.org 2024-05-06T07:08:09Z 0xDEADBEEF 1_000_000 v1.2.3-rc.4',
];

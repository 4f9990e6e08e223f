// Whether a key that somebody chose is one that somebody else would try. Length alone does not say: `changeme` three
// times is long. What is random passes, however it is written.

/** Words of examples, of defaults and of first attempts. Longer ones first, so that none hides in another. */
const words = [
  'administrator', 'configuration', 'placeholder', 'qwertyuiop', 'production', 'asdfghjkl', 'tollgate', 'operator',
  'password', 'passwort', 'changeme', 'superuser', 'development', 'insecure', 'whatever', 'replace', 'example',
  'default', 'gateway', 'letmein', 'welcome', 'zxcvbnm', 'testing', 'changed', 'iloveyou', 'correct', 'battery',
  'monkey', 'dragon', 'qwertz', 'qwerty', 'secret', 'sample', 'insert', 'master', 'change', 'please', 'access',
  'string', 'random', 'strong', 'horse', 'staple', 'server', 'config', 'azerty', 'admin', 'login', 'token', 'value',
  'local', 'guest', 'least', 'character', 'demo', 'root', 'user', 'pass', 'word', 'test', 'this', 'that', 'here',
  'some', 'long', 'your', 'with', 'very', 'mine', 'prod', 'safe', 'must', 'from', 'key', 'api', 'llm', 'the', 'dev',
  'abc', 'xyz', 'foo', 'bar', 'baz', 'not', 'for', 'and', 'use', 'own', 'put', 'one', 'two', 'any', 'new', 'our', 'my',
] as const;
const inWords = new RegExp([...words].toSorted((one, other) => other.length - one.length).join('|'), 'g');

/** As many as a person must guess that cannot be foreseen: 16 of 62 digits are 95 bits. */
const UNFORESEEN_MIN = 16;
const DIFFERENT_MIN = 8;
/** A run of so many neighbours (`1234`, `dcba`, `aaaa`) is foreseen but for its first. */
const RUN_MIN = 4;

/** Why this key can be guessed, to be said behind its name; undefined if nothing speaks for that. */
export function whyGuessable(key: string): string | undefined {
  if (new Set(key).size < DIFFERENT_MIN) return `has fewer than ${DIFFERENT_MIN} different characters`;
  if (periodOf(key) < UNFORESEEN_MIN) return 'repeats itself';
  const unforeseen = withoutRuns(key.toLowerCase().replace(inWords, ' ')).replace(/[^a-z0-9]/g, '');
  return unforeseen.length < UNFORESEEN_MIN && mostlyLetters(key) ? 'is made of common words' : undefined;
}

/** A key of many signs is not judged by its few letters. */
const mostlyLetters = (key: string): boolean => key.replace(/[^a-z0-9_. -]/gi, '').length > key.length / 2;

/** Length of the shortest text that, written again and again, gives this one. */
function periodOf(text: string): number {
  for (let period = 1; period < text.length; period += 1) {
    if (text.startsWith(text.slice(period))) return period;
  }
  return text.length;
}

/** Each run of neighbours up, down or alike becomes its first character. */
function withoutRuns(text: string): string {
  let kept = '';
  for (let start = 0; start < text.length; ) {
    const step = text.charCodeAt(start + 1) - text.charCodeAt(start);
    let end = start + 1;
    if (Math.abs(step) <= 1) while (text.charCodeAt(end) - text.charCodeAt(end - 1) === step) end += 1;
    const isRun = end - start >= RUN_MIN;
    kept += isRun ? (text[start] ?? '') : text.slice(start, end);
    start = end;
  }
  return kept;
}

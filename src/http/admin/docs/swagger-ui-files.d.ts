// The two files of Swagger UI as what `with { type: 'file' }` makes of them: a path, also inside the executable.

declare module 'swagger-ui-dist/swagger-ui-bundle.js' {
  const path: string;
  export default path;
}
declare module 'swagger-ui-dist/swagger-ui.css' {
  const path: string;
  export default path;
}

/**
 * Express 5 with a JSON body parser that answers the same user to every SCIM request. It stores nothing: no SCIM server
 * on Express can be faster. Listens on the port in `PORT`.
 */
import express, { type Response } from "express";

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const id = "0b6f9a2e-1111-4222-8333-444455556666";
const time = "2026-01-01T00:00:00.000Z";
const user = {
  schemas: ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
  id,
  externalId: "ext-1",
  userName: "user-1@example.com",
  name: { givenName: "Given1", familyName: "Family1", formatted: "Given1 Family1" },
  displayName: "Given1 Family1",
  active: true,
  emails: [{ value: "user-1@example.com", type: "work", primary: true }],
  [enterprise]: { employeeNumber: "1", department: "Department 1" },
  meta: { resourceType: "User", created: time, lastModified: time, location: `/scim/v2/Users/${id}` },
};
const list = {
  schemas: ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
  totalResults: 1,
  startIndex: 1,
  itemsPerPage: 1,
  Resources: [user],
};
const answer = (response: Response, status: number, body: object): void =>
  void response.status(status).type("application/scim+json").send(JSON.stringify(body));

const app = express();
app.use(express.json({ type: ["application/scim+json", "application/json"], limit: "1mb" }));
app.get("/scim/v2/:type", (_request, response) => answer(response, 200, list));
app.post("/scim/v2/:type", (_request, response) => answer(response, 201, user));
app.get("/scim/v2/:type/:id", (_request, response) => answer(response, 200, user));
app.patch("/scim/v2/:type/:id", (_request, response) => answer(response, 200, user));
app.delete("/scim/v2/:type/:id", (_request, response) => void response.status(204).end());
app.listen(Number(process.env["PORT"]), "127.0.0.1");

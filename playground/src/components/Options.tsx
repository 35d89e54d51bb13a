import { setOptions, useSelected } from "../state/store";

export function Options() {
  const renews = useSelected((state) => state.renews);
  const keeps = useSelected((state) => state.keeps);
  return (
    <fieldset className="options">
      <legend className="visually-hidden">Options</legend>
      <label>
        <input type="checkbox" role="switch" checked={renews} onChange={(event) => setOptions({ renews: event.target.checked })} />
        <span>
          Refresh by itself <small>20 seconds before an access token expires, as a good client does</small>
        </span>
      </label>
      <label>
        <input type="checkbox" role="switch" checked={keeps} onChange={(event) => setOptions({ keeps: event.target.checked })} />
        <span>
          Keep tokens over a reload <small>in this tab's sessionStorage; otherwise they are in memory only</small>
        </span>
      </label>
    </fieldset>
  );
}
